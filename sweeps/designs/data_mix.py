"""``sweep=data_mix``: mixes of the sources of ``data=``, as points on the simplex of their weights."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated

from annotated_types import Ge, Le

from openr1.config.schema import Config
from openr1.options.ranges import OneOf, Positive, Seed
from openr1.sweeps.config import SweepConfig
from openr1.sweeps.designs.base import Design, Finished, Overrides
from openr1.sweeps.designs.values import override
from openr1.system.errors import ConfigError

POINTS = ("lattice", "dirichlet")
Mix = tuple[float, ...]  # a share of each source


@dataclass
class DataMixSweep(SweepConfig):
    """Options of a sweep over mixes."""

    kind: str = "data_mix"
    sources: list[str] = field(default_factory=list)  # the sources whose weights change; empty for all
    points: Annotated[str, OneOf(POINTS)] = "lattice"  # or dirichlet
    levels: Annotated[int, Ge(1), Le(1000)] = 4  # lattice: shares are multiples of 1/levels
    n: Annotated[int, Ge(1), Le(10**6)] = 16  # dirichlet: number of draws
    alpha: Positive = 1.0  # dirichlet: concentration around the config's own mix; 1 around an even mix is uniform
    vertices: bool = True  # include the mixes of a single source
    seed: Seed = 0


class DataMix(Design[DataMixSweep]):
    """One round: the config's own mix, then the points.

    All runs have the tokenizer and the held-out set of the config's own mix (``data.reference``), so that losses compare.
    """

    def next(self, finished: Sequence[Finished]) -> list[Overrides]:
        return [] if finished else [self._overrides(mix) for mix in self._mixes()]

    def report(self, finished: Sequence[Finished]) -> list[str]:
        from openr1.sweeps.designs.mixture_surface import describe_mixes

        runs = [run for run in finished if "eval_loss" in run.metrics]
        mixes = [self._mix(run.config) for run in runs]
        return describe_mixes(self._names, mixes, [run.metrics["eval_loss"] for run in runs])

    @cached_property
    def _config(self) -> Config:
        return self.compose(())

    @cached_property
    def _names(self) -> list[str]:
        """The sources whose weights change."""
        config, sources = self._config, self._config.data.sources
        if config.recipe is not None or not config.stage.trains or config.stage.rollouts:
            raise ConfigError("sweep: data_mix has runs of one stage that trains on data, pretrain or sft, not of a recipe")
        unknown = [name for name in self.sweep.sources if name not in sources]
        if unknown:
            raise ConfigError(f"sweep.sources: {unknown[0]!r} is not one of data.sources, which are {', '.join(sources)}")
        names = self.sweep.sources or list(sources)
        if len(names) < 2:
            raise ConfigError(f"sweep.sources: a mix needs two or more; data={config.data.name} has {', '.join(sources)}")
        return names

    def _mix(self, config: Config) -> Mix:
        """Return the shares of the sources in a config."""
        weights = [config.data.sources[name].weight for name in self._names]
        return tuple(weight / sum(weights) for weight in weights)

    def _mixes(self) -> list[Mix]:
        """Return the mixes of the sweep, the config's own first."""
        own = self._mix(self._config)
        single = [tuple(float(i == j) for j in range(len(own))) for i in range(len(own))]
        if self.sweep.points == "lattice":
            mixes = lattice(len(own), self.sweep.levels)
        else:
            mixes = [*dirichlet(own, self.sweep.n, self.sweep.alpha, self.sweep.seed), *single]
        rounded = (tuple(round(share, 6) for share in mix) for mix in (own, *mixes))
        return [mix for mix in dict.fromkeys(rounded) if self.sweep.vertices or mix not in single]

    def _overrides(self, mix: Mix) -> Overrides:
        data = self._config.data
        reference = data.reference or {name: source.weight for name, source in data.sources.items()}
        whole = sum(data.sources[name].weight for name in self._names)
        weights = {f"data.sources.{name}.weight": round(share * whole, 6) for name, share in zip(self._names, mix, strict=True)}
        return (override("data.reference", reference), *itertools.starmap(override, weights.items()))


def lattice(size: int, levels: int) -> list[Mix]:
    """Return the {size, levels} simplex lattice: all mixes in steps of 1/levels (Scheffé, J. R. Stat. Soc. B 20, 344, 1958)."""
    counts = itertools.product(range(levels, -1, -1), repeat=size - 1)
    return [(*(n / levels for n in head), (levels - sum(head)) / levels) for head in counts if sum(head) <= levels]


def dirichlet(own: Mix, n: int, alpha: float, seed: int) -> list[Mix]:
    """Draw mixes around a mix from a Dirichlet distribution, as RegMix does around source sizes (arXiv 2407.01492)."""
    import numpy as np

    draws = np.random.default_rng(seed).dirichlet(alpha * len(own) * np.array(own), n)
    return [tuple(draw) for draw in draws.tolist()]
