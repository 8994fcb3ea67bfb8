"""Sphinx builds docs/ as a site with it: ``make docs``.

The pages are Markdown that GitHub shows as it stands. The navigation is made of the links of ``index.md``: a heading is a
part of it, and each page that is linked below the heading is an entry.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "openr1"
author = copyright = "The openr1 authors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
root_doc = "index"
exclude_patterns = ["**/.*"]
html_theme = "furo"
html_title = "openr1"
html_theme_options = {"navigation_with_keys": True}
html_show_sourcelink = False
# headings have the anchors that GitHub gives them
myst_heading_anchors = 4
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_member_order = "bysource"
copybutton_exclude = ".linenos, .gp, .go"

PART = re.compile(r"^## (.+)$", re.M)
PAGE = re.compile(r"\]\(([\w/]+)\.md\)")


def add_navigation(app: Sphinx, page: str, source: list[str]) -> None:
    """Add the tree of pages to the index, a part for each of its headings."""
    if page != root_doc:
        return
    _, *parts = PART.split(source[0])
    seen: set[str] = set()
    for title, text in zip(parts[::2], parts[1::2], strict=True):
        pages = [name for name in dict.fromkeys(PAGE.findall(text)) if name not in seen]
        seen.update(pages)
        if pages:
            source[0] += "\n".join(["\n", "```{toctree}", ":hidden:", f":caption: {title}", "", *pages, "```", ""])


def setup(app: Sphinx) -> None:
    """Register the navigation with Sphinx."""
    app.connect("source-read", add_navigation)
