"""Short names of packages in a checkout: ``import analysis`` gives :mod:`openr1.analysis` itself, ``import sweeps`` likewise.

The folders of both stand at the top of the repository, where Python finds them by these names too. Without this module it would
import a second copy of each file, whose classes ``isinstance`` tells apart from those of the first. Installed packages have
no short names, since another project may have a package of that name.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

PACKAGE = __name__.partition(".")[0]


class ShortName(MetaPathFinder, Loader):
    """Imports the modules of a package by its short name: each is the module of the full name."""

    def __init__(self, name: str) -> None:
        self.prefix = f"{name}."

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname.startswith(self.prefix) else None

    def exec_module(self, module: ModuleType) -> None:
        share(module.__name__)


def share(name: str) -> None:
    """Let the module of a short name, and those below it that are imported already, be the modules of the full name."""
    full = importlib.import_module(f"{PACKAGE}.{name}")
    # an import of one of them would otherwise set the attribute of its package, where a function of the same name may stand
    below = {full_name: module for full_name, module in sys.modules.items() if full_name.startswith(f"{full.__name__}.")}
    sys.modules[name] = full
    sys.modules.update({full_name.removeprefix(f"{PACKAGE}."): module for full_name, module in below.items()})


def shorten(name: str) -> None:
    """Make a package of a checkout known by its short name; its ``__init__`` calls this where it is imported by that name."""
    sys.meta_path.insert(0, ShortName(name))
    share(name)
