"""Designs of studies: which runs a sweep makes. One module a kind, with its options, which ``conf/sweep/KIND.yaml`` composes.

A new kind is a subclass of :class:`sweeps.config.SweepConfig`, a subclass of :class:`sweeps.designs.base.Design`, and a line
here. These modules import nothing heavy, since every command composes their options.
"""

from __future__ import annotations

from hydra.utils import get_class

from sweeps.active.options import ActiveSweep
from sweeps.config import SweepConfig
from sweeps.designs.base import Design
from sweeps.designs.data_mix import DataMixSweep
from sweeps.designs.grid import GridSweep
from sweeps.designs.grpo import GrpoSweep
from sweeps.designs.isoflop import IsoFlopSweep
from sweeps.designs.lr import LrSweep
from sweeps.designs.stages import StagesSweep
from sweeps.designs.trunk import TrunkSweep

# kind -> its options, and the class that decides
DESIGNS: dict[str, tuple[type[SweepConfig], str]] = {
    "default": (SweepConfig, "sweeps.designs.command_line.CommandLine"),
    "grid": (GridSweep, "sweeps.designs.grid.Grid"),
    "isoflop": (IsoFlopSweep, "sweeps.designs.isoflop.IsoFlop"),
    "grpo": (GrpoSweep, "sweeps.designs.grpo.Grpo"),
    "lr": (LrSweep, "sweeps.designs.lr.Lr"),
    "data_mix": (DataMixSweep, "sweeps.designs.data_mix.DataMix"),
    "stages": (StagesSweep, "sweeps.designs.stages.Stages"),
    "active": (ActiveSweep, "sweeps.designs.active.Active"),
    "trunk": (TrunkSweep, "sweeps.designs.trunk.Trunk"),
}


def design_class(kind: str) -> type[Design]:
    """Import the class of a kind of sweep."""
    return get_class(DESIGNS[kind][1])
