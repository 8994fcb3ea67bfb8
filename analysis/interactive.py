"""Studies and figures in a notebook: fit what ``openr1-fit`` fits, draw a figure, tell the answer. Nothing is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openr1.options import typed
from openr1.options.near import did_you_mean
from openr1.options.types import shown
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from openr1.analysis.charts.marks import Chart
    from openr1.analysis.fit.ablation import AblationStudy
    from openr1.analysis.study import GroupedStudy, Study


ABLATION = "ablation"  # name of the figure of an ablation
BESIDE = (5.2, 4.1)  # inches of a panel beside others


@typed()
def fit_study(*overrides: str) -> Study | GroupedStudy | AblationStudy:
    """Fit the laws of a study as ``openr1-fit`` does with the same words.

    >>> study = fit_study("experiment=demo")  # doctest: +SKIP
    >>> study.main  # the law that answers  # doctest: +SKIP
    >>> study.fits["chinchilla"].frontier([1e13])  # doctest: +SKIP

    :returns: a study; one law per group with ``by=``; variants beside their base line with ``ablation.metric=``.
    :raises ConfigError: for a wrong word, and if there are no runs or no law can be fitted to them.
    """
    from openr1.analysis import study
    from openr1.analysis.config import compose

    config = compose(overrides)
    if config.ablation.metric is not None:
        return study.compare_variants(config)
    return (study.analyse_groups if config.by else study.analyse)(config, list(overrides))


@typed()
def draw(study: Study | GroupedStudy | AblationStudy, *figures: str) -> Figure:
    """Draw figures of the report of a study beside each other; a notebook shows them by itself.

    :param figures: such as ``"isoflop"``; by default the first one. A figure that the runs do not determine is left out.
    :raises ConfigError: if the study has none of them, whose line lists those that it has, or there is no such figure at all.
    """
    from openr1.analysis.charts import FIGURES
    from openr1.analysis.charts.groups import GROUP_FIGURES
    from openr1.analysis.charts.matplotlib import draw as draw_chart

    known = [*FIGURES, *GROUP_FIGURES, ABLATION]
    if unknown := [name for name in figures if name not in known]:
        raise ConfigError(f"figures: there is no figure {unknown[0]!r}{did_you_mean(unknown[0], known)}")
    charts = _charts(study)
    drawn = [charts[name] for name in figures or list(charts)[:1] if name in charts]
    if not drawn:
        raise ConfigError(f"figures: this study has no figure {' or '.join(figures)}; it has {', '.join(charts)}")
    if len(drawn) == 1:
        return draw_chart(drawn[0])
    panels = tuple(panel for chart in drawn for panel in chart.panels)
    return draw_chart(replace(drawn[0], panels=panels, size=BESIDE))


@typed()
def plot(
    frame: pd.DataFrame, x: str, y: str, by: str | None = None, *, ends: tuple[str, str] | None = None, **labels: str
) -> Figure:
    """Draw a column of a table against another one, with a colour per group; a notebook shows the figure by itself.

    >>> plot(runs.curves("eval_loss", "scale"), "flops", "eval_loss", by="scale")  # doctest: +SKIP

    :param by: the column of the groups. Rows of one group, and of one ``run`` if there is such a column, are joined by a line.
    :param ends: the columns of the lower and the upper end of an interval of ``y``.
    :param labels: words for a column on its axis: ``epochs="Passes over the data"``.
    :raises ConfigError: for a column that there is not, or one of ``x``, ``y`` and ``ends`` that holds no numbers.
    """
    from openr1.analysis.charts.matplotlib import draw as draw_chart
    from openr1.analysis.charts.tables import chart_table

    return draw_chart(chart_table(frame, x, y, by, ends, labels))


@typed("study")
def read_forecasts(study: str, outputs: str | Path | None = None) -> pd.DataFrame:
    """Read the registered forecasts of a study, a row per planned run.

    The response is ``predicted``, and lies with 95 % probability between ``low`` and ``high``. ``measured`` is missing until
    the run exists and a report has compared it.

    :param outputs: the folder of outputs; by default ``OPENR1_OUTPUTS``, or ``outputs``.
    :raises ConfigError: for a study that has no folder in it.
    """
    import pandas as pd

    from openr1.analysis.forecast.registry import read_outcomes
    from openr1.analysis.sources.readers import check_name, outputs_folder

    check_name(study)
    folder = outputs_folder(outputs) / "studies" / study
    if not folder.is_dir():
        others = sorted(path.name for path in folder.parent.glob("*") if path.is_dir())
        raise ConfigError(f"study: there is no folder of {study!r} at {folder}{did_you_mean(study, others)}")
    columns = ["name", "fingerprint", "N", "D", "C", "response", "predicted", "low", "high", "measured", "written"]
    rows = []
    for outcome in read_outcomes(folder):
        known = outcome.forecast
        low, high = known["intervals"]["95"]
        rows.append({**known, **known["run"], "low": low, "high": high, "measured": outcome.measured})
    return pd.DataFrame(rows, columns=columns)


def tell(study: Study | GroupedStudy) -> str:
    """Return the answer of a study as its report words it, and how far to trust it."""
    from openr1.analysis.report.advice import advise
    from openr1.analysis.report.advice_by_law import describe_transfer
    from openr1.analysis.report.findings import compare_groups
    from openr1.analysis.report.narrative import answer, support
    from openr1.analysis.study import GroupedStudy, Study

    _require(study, Study, GroupedStudy)
    if not isinstance(study, GroupedStudy):
        return " ".join([*answer(study), *support(study)])
    lines = [compare_groups(study)]
    for group, part in study.parts.items():
        about = describe_transfer(part) or advise(part, part.main)
        lines.append(f"{study.groups.by} {group}: {' '.join(about)}")
    return "\n".join(line for line in lines if line)


def _charts(study: Any) -> dict[str, Chart]:
    """Return the figures of a study by name.

    :raises ConfigError: for what is no study.
    """
    from openr1.analysis.charts import chart_study
    from openr1.analysis.charts.ablations import chart_ablation
    from openr1.analysis.charts.groups import chart_groups
    from openr1.analysis.fit.ablation import AblationStudy
    from openr1.analysis.study import GroupedStudy, Study

    _require(study, Study, GroupedStudy, AblationStudy)
    if isinstance(study, AblationStudy):
        return {ABLATION: chart_ablation(study)}
    return chart_groups(study) if isinstance(study, GroupedStudy) else chart_study(study)


def _require(study: Any, *kinds: type) -> None:
    """Refuse what is not a study of these kinds.

    :raises ConfigError: naming them.
    """
    if not isinstance(study, kinds):
        names = " or ".join(kind.__name__ for kind in kinds)
        raise ConfigError(f"study: must be a {names}, as fit_study returns it, not {shown(study)}")
