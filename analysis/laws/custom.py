"""Laws of one's own: a class in any module, named as ``my.module:MyLaw``."""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import is_dataclass

from analysis.laws import LAWS
from analysis.laws.base import Law
from openr1.errors import ConfigError
from openr1.options import one_of


def law_class(reference: str) -> type[Law]:
    """Return the class of a name in :data:`analysis.laws.LAWS`, or of ``module:Class``.

    Modules are found as Python finds them, and in the directory that the command is run in.

    :raises ConfigError: if there is no such law, or the class is not a dataclass derived from ``Law``.
    """
    if ":" not in reference:
        one_of(reference, "law", LAWS)
        return LAWS[reference]
    module_name, _, name = reference.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ConfigError(f"law: {module_name} cannot be imported: {error}") from error
    law = getattr(module, name, None)
    if not (isinstance(law, type) and issubclass(law, Law) and is_dataclass(law)):
        raise ConfigError(f"law: {reference} must be a dataclass derived from analysis.laws.Law, such as a CurveLaw")
    if missing := sorted(law.__abstractmethods__):
        raise ConfigError(f"law: {reference} does not define {', '.join(missing)}")
    return law


def law_reference(law: Law) -> str:
    """Return the name by which :func:`law_class` finds the class of a law."""
    kind = type(law)
    return law.name if LAWS.get(law.name) is kind else f"{kind.__module__}:{kind.__qualname__}"
