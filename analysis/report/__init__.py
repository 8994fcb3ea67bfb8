"""The report of a study: its sentences, tables, figures and files."""

from openr1.analysis.report.files import write

__all__ = ["write"]
