"""Stages: one module each, of one contract.

``run(context)`` fills ``context.folder``, which becomes the artifact, and returns the metrics. Fingerprints, tracking, resuming
and skipping of what exists are the work of :mod:`openr1.runs`.
"""

from __future__ import annotations

import importlib
from types import ModuleType


def stage_module(kind: str) -> ModuleType:
    """Import the module of a stage, which may take seconds."""
    return importlib.import_module(f"openr1.stages.{kind}")
