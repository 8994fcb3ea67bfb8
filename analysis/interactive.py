"""Studies and figures in a notebook: fit what ``openr1-fit`` fits, draw a figure, tell the answer. Nothing is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from openr1.analysis.charts.marks import Chart
    from openr1.analysis.fit.ablation import AblationStudy
    from openr1.analysis.study import GroupedStudy, Study


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


def draw(study: Study | GroupedStudy | AblationStudy, figure: str = "") -> Figure:
    """Draw a figure of the report of a study, which a notebook shows by itself.

    :param figure: such as ``"isoflop"``; by default the first one. The error for another name lists those that there are.
    :raises ConfigError: for a figure that the study does not have.
    """
    from openr1.analysis.charts.matplotlib import draw as draw_chart

    charts = _charts(study)
    if figure and figure not in charts:
        raise ConfigError(f"figure: this study has no figure {figure!r}; it has {', '.join(charts)}")
    return draw_chart(charts[figure or next(iter(charts))])


def plot(
    frame: pd.DataFrame, x: str, y: str, by: str | None = None, *, ends: tuple[str, str] | None = None, **labels: str
) -> Figure:
    """Draw a column of a table against another one, with a colour per group; a notebook shows the figure by itself.

    >>> plot(runs.curves("eval_loss", "scale"), "flops", "eval_loss", by="scale")  # doctest: +SKIP

    :param by: the column of the groups. Rows of one group, and of one ``run`` if there is such a column, are joined by a line.
    :param ends: the columns of the lower and the upper end of an interval of ``y``.
    :param labels: words for a column on its axis: ``epochs="Passes over the data"``.
    :raises ConfigError: for a column that there is not.
    """
    from openr1.analysis.charts.matplotlib import draw as draw_chart
    from openr1.analysis.charts.tables import chart_table

    return draw_chart(chart_table(frame, x, y, by, ends, labels))


def tell(study: Study | GroupedStudy) -> str:
    """Return the answer of a study as its report words it, and how far to trust it."""
    from openr1.analysis.report.advice import advise
    from openr1.analysis.report.advice_by_law import describe_transfer
    from openr1.analysis.report.findings import compare_groups
    from openr1.analysis.report.narrative import answer, support
    from openr1.analysis.study import GroupedStudy

    if not isinstance(study, GroupedStudy):
        return " ".join([*answer(study), *support(study)])
    lines = [compare_groups(study)]
    for group, part in study.parts.items():
        about = describe_transfer(part) or advise(part, part.main)
        lines.append(f"{study.groups.by} {group}: {' '.join(about)}")
    return "\n".join(line for line in lines if line)


def _charts(study: Any) -> dict[str, Chart]:
    """Return the figures of a study by name."""
    from openr1.analysis.charts import chart_study
    from openr1.analysis.charts.ablations import chart_ablation
    from openr1.analysis.charts.groups import chart_groups
    from openr1.analysis.fit.ablation import AblationStudy
    from openr1.analysis.study import GroupedStudy

    if isinstance(study, AblationStudy):
        return {"ablation": chart_ablation(study)}
    return chart_groups(study) if isinstance(study, GroupedStudy) else chart_study(study)
