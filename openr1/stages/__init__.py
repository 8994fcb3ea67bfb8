"""Stages: one module each, with one contract.

``run(context)`` fills ``context.folder``, which becomes the artifact, and returns the metrics. :mod:`openr1.runs` takes care of
fingerprints, tracking, resuming, and reusing artifacts that exist.
"""

from __future__ import annotations

import importlib
from types import ModuleType


def stage_module(kind: str) -> ModuleType:
    """Import the module of a stage, which may take seconds."""
    return importlib.import_module(f"openr1.stages.{kind}")
