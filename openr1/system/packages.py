"""Packages that an extra of openr1 installs. One that is missing is told in one line, with the command that installs it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from openr1.system.errors import ConfigError

OF_EXTRA = re.compile(r"(?P<package>[\w.-]+).*\bextra == ['\"](?P<extra>[\w-]+)['\"]")


def extra_of(module: str) -> str | None:
    """Return the extra of fewest packages that installs a module; None if there is none, or openr1 itself is not installed."""
    package = re.sub(r"[-_.]+", "-", module.partition(".")[0]).lower()
    try:
        requirements = importlib.metadata.requires("openr1") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    found = [match for requirement in requirements if (match := OF_EXTRA.match(requirement))]
    sizes = Counter(match["extra"] for match in found)  # an extra lists the packages of the extras within it too
    return min((match["extra"] for match in found if match["package"].lower() == package), key=sizes.__getitem__, default=None)


def require(module: str) -> None:
    """Refuse to go on without a module.

    :raises ConfigError: with the extra that installs it.
    """
    with naming_extras():
        if importlib.util.find_spec(module) is None:
            raise ModuleNotFoundError(f"No module named {module!r}", name=module)


@contextmanager
def naming_extras() -> Iterator[None]:
    """Turn an import in the block that fails for want of a package into a user-facing error, if an extra installs the package.

    :raises ConfigError: with the extra.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name and (extra := extra_of(error.name)):
            package = error.name.partition(".")[0]
            raise ConfigError(f"{package} is needed and not installed: pip install 'openr1[{extra}]'") from error
        raise
