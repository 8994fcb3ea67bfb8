"""Laws of one's own: a class in any module, named as ``my.module:MyLaw``."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from dataclasses import MISSING, fields, is_dataclass

import numpy as np

from openr1.analysis.laws import LAWS
from openr1.analysis.laws.base import Law
from openr1.analysis.laws.points import Inputs
from openr1.analysis.laws.regression import CurveLaw
from openr1.options import one_of
from openr1.system.errors import ConfigError

PROBES = (2, 5)  # sets of parameters, and runs, that the shape of a curve is looked at with


def law_class(reference: str) -> type[Law]:
    """Return the class of a name in :data:`openr1.analysis.laws.LAWS`, or of ``module:Class``.

    Modules are found as Python finds them, and in the directory that the command is run in.

    :raises ConfigError: if there is no such law, the class is not a dataclass derived from ``Law``, or its parameters or its
        curve cannot be used.
    """
    if ":" not in reference:
        one_of(reference, "law", LAWS)
        return LAWS[reference]
    module_name, _, name = reference.partition(":")
    if not module_name or module_name.startswith(".") or not name.isidentifier():
        raise ConfigError(f"law: {reference} must be MODULE:CLASS, such as my.module:MyLaw")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # whatever the module raises
        raise ConfigError(f"law: {module_name} cannot be imported: {_told(error)}") from error
    law = getattr(module, name, None)
    if not (isinstance(law, type) and issubclass(law, Law) and is_dataclass(law)):
        raise ConfigError(f"law: {reference} must be a dataclass derived from openr1.analysis.laws.Law, such as a CurveLaw")
    if missing := sorted(law.__abstractmethods__):
        raise ConfigError(f"law: {reference} does not define {', '.join(missing)}")
    # a law whose options have no default, or come from the runs, is seen only when it is fitted
    options = [option for option in fields(law) if option.init and option.default is option.default_factory is MISSING]
    if not options and law.prepare is Law.prepare:
        try:
            wrong = _find_fault(law())
        except ConfigError:
            raise
        except Exception as error:  # whatever the class raises
            wrong = f"cannot be used: {_told(error)}"
        if wrong:
            raise ConfigError(f"law: {reference} {wrong}")
    return law


def _find_fault(law: Law) -> str:
    """Return what is wrong with the parameters or the curve of a law, or an empty text."""
    names = [parameter.name for parameter in law.parameters]
    if not names:
        return "has no parameters"
    if repeated := [name for place, name in enumerate(names) if name in names[:place]]:
        return f"has several parameters named {repeated[0]!r}"
    if not isinstance(law, CurveLaw):
        return ""
    params = [np.full((PROBES[0], 1), np.mean(parameter.starts)) for parameter in law.parameters]
    x = Inputs(**{name: np.linspace(1.5, 9, PROBES[1]) for name in law.predictors})
    try:
        inspect.signature(law.curve).bind(x, *params)
    except TypeError as error:
        return f"has a curve that cannot be called as curve(x, {', '.join(names)}): {error}"
    if type(law).inputs is not CurveLaw.inputs:  # the predictors are not known before there are runs
        return ""
    with np.errstate(all="ignore"):
        shape = np.shape(law.curve(x, *params))
    if shape != PROBES:
        return (
            f"has a curve of the shape {shape}, rather than {PROBES}, for {PROBES[0]} sets of parameters and {PROBES[1]} runs"
        )
    return ""


def _told(error: Exception) -> str:
    """Return the message of an error of someone else's code in one line, with its kind."""
    text = " ".join(str(error).split())
    return text if isinstance(error, ImportError) and text else f"{type(error).__name__}: {text}".removesuffix(": ")


def law_reference(law: Law) -> str:
    """Return the name by which :func:`law_class` finds the class of a law."""
    kind = type(law)
    return law.name if LAWS.get(law.name) is kind else f"{kind.__module__}:{kind.__qualname__}"
