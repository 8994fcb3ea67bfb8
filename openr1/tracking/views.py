"""Views of the MLflow UI: which columns and charts it shows for the runs of a study, and at which address.

MLflow's web pages keep a view that a user saves as a tag of the experiment, ``mlflow.sharedViewState.ID``, and an address
opens it by its id. The content of the tag is private to the pages; it was read from those of MLflow 3.17, and a test opens it
in a browser.

All studies are in one experiment, and a view filters by the tag ``study``: runs of two studies can then be compared by
changing the filter, and MLflow opens a filtered table of 500 runs as fast as an experiment with these alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Collection
from typing import Any
from urllib.parse import urlencode

from openr1.tracking.names import BY_GFLOPS, BY_TOKENS, CURVES, query_condition

PREFIX = "mlflow.sharedViewState."
SECTION = "openr1-charts"
GENERATED = ("Model metrics", "System metrics")  # sections in which the pages put a chart of each other metric
TOKENS = "tokens"  # the metric of an axis
# N, D and C are params_non_embedding, tokens and flops
METRICS = ("params_non_embedding", "tokens", "flops", "eval_loss", "pass_at_1")
TAGS = ("scale", "stage", "status")
LR = "budget.resolved.lr"
KIND = {"mlflow.experimentKind": "custom_model_development"}  # opens the experiment on the side of model training


def saved_view(study: str, metrics: Collection[str], varied: Collection[str], now: int) -> tuple[str, str]:
    """Return the tag of an experiment that keeps the view of a study, and its value.

    :param metrics: names of metrics that the runs of the study have; columns and charts of others would be empty.
    :param varied: params in which the runs differ, for the parallel coordinates.
    :param now: milliseconds since 1970.
    """
    view = {**_table(study, metrics), **_charts(metrics, varied)}
    packed = base64.b64encode(zlib.compress(json.dumps(view).encode(), 9)).decode()
    value = {"name": f"study {study}", "createdAt": now, "updatedAt": now, "state": f"deflate;{packed}"}
    return PREFIX + view_id(study), json.dumps(value)


def view_id(study: str) -> str:
    """Return the id of the view of a study, by which an address opens it."""
    return "openr1-" + hashlib.sha256(study.encode()).hexdigest()[:16]


def runs_address(root: str, experiment: str, study: str, mode: str = "TABLE") -> str:
    """Return the address that shows the runs of a study.

    :param mode: ``TABLE``, or ``CHART`` for the charts.
    """
    query = {"workflowType": "machine_learning", "viewStateShareKey": view_id(study), "compareRunsMode": mode}
    return f"{root}/#/experiments/{experiment}/runs?{urlencode(query)}"


def run_address(root: str, experiment: str, run_id: str, file: str = "") -> str:
    """Return the address of the page of a run.

    :param root: empty for a link from another page.
    :param file: path of a file of the run, which is shown.
    """
    place = f"#/experiments/{experiment}/runs/{run_id}" + (f"/artifacts/{file}" if file else "")
    return (f"{root}/" if root else "") + f"{place}?workflowType=machine_learning"


def measured_of(metrics: Collection[str]) -> str | None:
    """Return the metric that the runs of a study are compared by; None if they have measured nothing."""
    return next((curve for curve in CURVES if curve in metrics), None)


def _table(study: str, metrics: Collection[str]) -> dict[str, Any]:
    measured = measured_of(metrics) or "flops"
    columns = [_column("metrics", name) for name in METRICS if name in metrics]
    columns += [_column("params", LR), *(_column("tags", name) for name in TAGS)]
    return {
        "searchFilter": f"{query_condition('tags.study', study)} AND tags.role != 'study'",
        # by a measurement, best first: in the order of time, runs are hidden below their parents
        "orderByKey": _column("metrics", measured),
        "orderByAsc": measured != "pass_at_1",
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "selectedColumns": columns,
        "columnOrder": columns,
        "columnWidths": {},
        "runsHiddenMode": "SHOW_ALL",
        "hideEmptyCharts": True,
    }


def _column(kind: str, name: str) -> str:
    return f"{kind}.`{name}`"


def _charts(metrics: Collection[str], varied: Collection[str]) -> dict[str, Any]:
    charts = []
    for curve in CURVES:
        for ending, amount in ((BY_GFLOPS, "FLOPs, in 1e9"), (BY_TOKENS, "tokens")):
            if curve + ending in metrics:
                title = f"{curve} against {amount}"
                charts.append(_line(curve + ending, title, xAxisKey="step", xAxisScaleType="log"))
        if curve + BY_TOKENS not in metrics and {curve, TOKENS} <= set(metrics):  # runs of earlier versions
            charts.append(_line(curve, f"{curve} against tokens", xAxisKey="metric", selectedXAxisMetricKey=TOKENS))
    measured = measured_of(metrics)
    if measured and varied:
        shown = [name for name in ("params_non_embedding", "tokens", measured) if name in metrics]
        parallel = {"type": "PARALLEL", "selectedParams": sorted(varied), "selectedMetrics": shown, "showAllRuns": True}
        charts.append({**_card("parallel", "parallel coordinates"), **parallel})
    sections = [_section(SECTION, "Scaling", True), *(_section(f"openr1-{name}", name, False) for name in GENERATED)]
    return {"compareRunCharts": charts, "compareRunSections": sections, "isAccordionReordered": True}


def _section(key: str, name: str, is_open: bool) -> dict[str, Any]:
    return {"uuid": key, "name": name, "display": is_open, "isReordered": True, "deleted": False, "isGenerated": not is_open}


def _line(metric: str, title: str, **axis: Any) -> dict[str, Any]:
    fixed = {"type": "LINE", "metricKey": metric, "selectedMetricKeys": [metric], "lineSmoothness": 0, "scaleType": "linear"}
    own = {
        "useGlobalXaxisKey": False,
        "useGlobalLineSmoothing": False,
        "range": {},
        "yAxisKey": "metric",
        "yAxisExpressions": [],
    }
    return {**_card(title, title), **fixed, **own, "selectedXAxisMetricKey": "", "xAxisScaleType": "linear", **axis}


def _card(key: str, title: str) -> dict[str, Any]:
    known = {"runsCountToCompare": 100, "metricSectionId": SECTION, "deleted": False, "isGenerated": False}
    return {"uuid": f"openr1-{key.replace(' ', '-')}", "displayName": title, **known}
