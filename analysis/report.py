"""The report of a study: one HTML file that needs no network."""

from __future__ import annotations

import base64
from importlib import resources
from typing import TYPE_CHECKING

from jinja2 import Environment

from analysis import text

if TYPE_CHECKING:
    from analysis.study import Study

CAPTIONS = {
    "isoflop": "Loss against model size at equal compute. Curves: the parabola of each budget, or the parametric law where no"
    " parabolas were fitted. Stars: minima.",
    "frontier": "Loss against compute. Where budgets were held out, laws are fitted to the runs left of the dotted line alone;"
    " the band is the 95 % interval of the law that answers.",
    "curve": "Loss against one variable, with the law fitted to all runs and its 95 % interval.",
    "allocation": "Compute-optimal parameters and tokens, fitted to all runs, with 95 % intervals.",
    "residuals": "Measured against predicted loss. Diamonds are held-out runs, predicted by the fit that did not see them. A"
    " law of budgets predicts the best run of each.",
    "surface": "The parametric law over parameters and tokens; a dot is a run in the colour of its measured loss.",
}
RUN_COLUMNS = ("family", "scale", "data", "seed", "N", "D", "C", "loss")
COUNTS = ("N", "D", "C")


def render(study: Study, images: dict[str, bytes]) -> str:
    """The HTML of a study.

    :param images: the figures of :func:`analysis.plots.figures`, as SVG.
    """
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "short": text.short,
        "scientific": text.scientific,
        "number": text.number,
        "percent": text.percent,
        "interval": lambda ends, write=text.number: text.interval(*ends, write),
    }
    template = environment.from_string(resources.files(__package__).joinpath("report.html.j2").read_text(encoding="utf-8"))
    frame = study.runs.frame
    target = study.target_flops
    return template.render(
        study=study,
        title=study.config.runs.study,
        answer=text.answer(study),
        fits=study.fits,
        main=study.main,
        optima={name: fit.frontier(target).to_dict("records") for name, fit in study.fits.items()} if target else {},
        figures=[(name, CAPTIONS[name], _data_uri(image)) for name, image in images.items() if name in CAPTIONS],
        runs=frame.to_dict("records"),
        run_columns=[name for name in RUN_COLUMNS if name in frame],
        counts=COUNTS,
        short=text.short,
        dropped=study.runs.dropped["reason"].value_counts().to_dict(),
        columns={key: name for key, name in vars(study.config.runs.columns).items() if name},
    )


def _data_uri(image: bytes) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(image).decode()
