"""A missing package is told with the extra that installs it."""

import importlib.metadata

import pytest

from openr1.system.errors import ConfigError
from openr1.system.packages import extra_of, naming_extras, require

REQUIREMENTS = [
    "numpy>=2.3",
    "openpyxl>=3.1; extra == 'dev'",
    "math-verify[antlr4-9-3]<0.10,>=0.9; extra == 'dev'",
    "pytest>=9; extra == 'dev'",
    "openpyxl>=3.1; extra == 'excel'",
    "absent>=1; extra == 'train'",
    "math-verify[antlr4-9-3]<0.10,>=0.9; extra == 'train'",
]


@pytest.fixture(autouse=True)
def requirements(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: REQUIREMENTS)


@pytest.mark.parametrize(
    ("module", "extra"), [("openpyxl", "excel"), ("math_verify.parser", "train"), ("numpy", None), ("elsewhere", None)]
)
def test_the_smallest_extra_with_a_package_is_named(module, extra):
    assert extra_of(module) == extra


def test_a_package_of_an_extra_is_a_line():
    with pytest.raises(ConfigError, match=r"^absent is needed and not installed: pip install 'openr1\[train\]'$"):
        require("absent")
    with pytest.raises(ConfigError, match="absent is needed"), naming_extras():
        import absent.part  # noqa: F401


def test_other_imports_that_fail_are_defects():
    with pytest.raises(ModuleNotFoundError), naming_extras():
        import nowhere  # noqa: F401
    require("json")
