"""Options of the figures that are written beside a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from openr1.options.ranges import OneOf

COLUMN, GAP = 3.25, 0.25  # inches: a column of a page, and the space between two


@dataclass
class Figures:
    """How figures look in files; those on the page of the report do not change."""

    style: Annotated[str, OneOf(("report", "paper"))] = "report"  # paper: a serif font at the size of a column, and PDF files
    columns: Annotated[int, Ge(1), Le(2)] = 1  # width of a figure of style=paper, in columns of 3.25 inches of its page

    @property
    def formats(self) -> tuple[str, ...]:
        """The endings of the files of each figure."""
        return ("svg", "png", "pdf") if self.style == "paper" else ("svg", "png")

    @property
    def width(self) -> float:
        """The width of a paper's figure in inches."""
        return self.columns * (COLUMN + GAP) - GAP
