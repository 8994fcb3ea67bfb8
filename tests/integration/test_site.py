"""The pages of docs/ as a site: strict, so that a link that leads nowhere, or a page outside the navigation, fails."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from helpers.source import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("site")]
for name in ("furo", "myst_parser", "sphinx", "sphinx_copybutton"):
    pytest.importorskip(name)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", "docs", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert built.returncode == 0, built.stderr
    return folder


def test_every_page_is_built_and_in_the_navigation(site):
    index = (site / "index.html").read_text()
    navigation = set(re.findall(r'class="toctree-l1"><a class="reference internal" href="([^"#]+)"', index))
    pages = {str(path.relative_to(ROOT / "docs").with_suffix(".html")) for path in (ROOT / "docs").rglob("*.md")}
    assert pages - navigation == {"index.html"}
    assert all((site / page).exists() for page in pages)
    assert not pages & {"search.html", "genindex.html"}  # Sphinx writes these itself


def test_guides_reference_and_results_are_apart(site):
    captions = re.findall(r'<span class="caption-text">([^<]+)</span>', (site / "index.html").read_text())
    assert captions == ["Start here", "Guides", "Reference", "Results"]


def test_the_api_is_that_of_the_docstrings(site):
    page = (site / "api.html").read_text()
    assert 'id="openr1.analysis.fit"' in page
    assert ":func:" not in page
    assert ":param" not in page


def test_the_site_needs_no_network(site):
    """Scripts and styles lie in the site itself."""
    page = (site / "laws.html").read_text()
    assert not re.findall(r'<(?:script|link)[^>]+(?:src|href)="https?:', page)
