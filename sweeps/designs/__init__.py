"""Designs of studies: which runs a sweep makes. One module a kind, with its options, which ``conf/sweep/KIND.yaml`` composes.

A new kind is a subclass of :class:`openr1.sweeps.config.SweepConfig`, a subclass of :class:`openr1.sweeps.designs.base.Design`,
and a line here. These modules import nothing heavy, since every command composes their options.
"""

from __future__ import annotations

from hydra.utils import get_class

from openr1.sweeps.active.options import ActiveSweep
from openr1.sweeps.config import SweepConfig
from openr1.sweeps.designs.base import Design
from openr1.sweeps.designs.data_mix import DataMixSweep
from openr1.sweeps.designs.grid import GridSweep
from openr1.sweeps.designs.grpo import GrpoSweep
from openr1.sweeps.designs.isoflop import IsoFlopSweep
from openr1.sweeps.designs.lr import LrSweep
from openr1.sweeps.designs.stages import StagesSweep
from openr1.sweeps.designs.trunk import TrunkSweep

# kind -> its options, and the class that decides
DESIGNS: dict[str, tuple[type[SweepConfig], str]] = {
    "default": (SweepConfig, "openr1.sweeps.designs.command_line.CommandLine"),
    "grid": (GridSweep, "openr1.sweeps.designs.grid.Grid"),
    "isoflop": (IsoFlopSweep, "openr1.sweeps.designs.isoflop.IsoFlop"),
    "grpo": (GrpoSweep, "openr1.sweeps.designs.grpo.Grpo"),
    "lr": (LrSweep, "openr1.sweeps.designs.lr.Lr"),
    "data_mix": (DataMixSweep, "openr1.sweeps.designs.data_mix.DataMix"),
    "stages": (StagesSweep, "openr1.sweeps.designs.stages.Stages"),
    "active": (ActiveSweep, "openr1.sweeps.designs.active.Active"),
    "trunk": (TrunkSweep, "openr1.sweeps.designs.trunk.Trunk"),
}


def design_class(kind: str) -> type[Design]:
    """Import the class of a kind of sweep."""
    return get_class(DESIGNS[kind][1])
