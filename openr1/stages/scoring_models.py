"""The rewards of a run that a model gives, and where the config names their models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from openr1.curation.options import Preferred, steps_of
from openr1.rewards.options import is_model_based, term_options
from openr1.rewards.preference import RewardModelOptions

if TYPE_CHECKING:
    from openr1.config.schema import Config


@dataclass(frozen=True)
class ScoringModel:
    """A reward of a run that a model gives.

    :ivar name: of the run's input.
    :ivar key: where its options stand in the config.
    :ivar options: a :class:`openr1.rewards.model_based.ModelRewardOptions`.
    """

    name: str
    key: str
    function: str
    options: Any

    @property
    def model(self) -> str | None:
        """Return the reference of a reward model; None for a judge, whose weights are unknown here."""
        return self.options.model if isinstance(self.options, RewardModelOptions) else None


def scoring_models(config: Config) -> list[ScoringModel]:
    """Return the rewards of a run that a model gives."""
    return [
        ScoringModel(name, key, function, term_options(function, options, key))
        for name, key, function, options in _terms(config)
        if is_model_based(function)
    ]


def scoring_functions(config: Config) -> set[str]:
    """Return the names of the rewards that a run computes, of rules and of models."""
    return {function for _, _, function, _ in _terms(config)}


def _terms(config: Config) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Yield the rewards that a run computes: name of the input, key of the options, function, and options."""
    stage = config.stage
    if stage.rollouts:
        for name, term in config.reward.terms.items():
            yield f"reward.{name}", f"reward.terms.{name}.options", term.function or name, term.options
    elif stage.kind in ("curate", "reject"):
        for name, step in steps_of("stage.steps", stage.steps).items():
            if isinstance(step, Preferred):
                yield f"preferred.{name}", f"stage.steps.{name}.options", step.function, step.options
    elif stage.kind == "evaluate" and stage.best_of.function is not None:
        yield "best_of", "stage.best_of.options", stage.best_of.function, stage.best_of.options


def with_reward_models(config: Config, form: Callable[[str, str], str]) -> Config:
    """Return the config with the reference of each reward model in another form.

    :param form: takes the key of a reference, and the reference.
    """
    found = {one.key: form(f"{one.key}.model", one.model) for one in scoring_models(config) if one.model is not None}
    if not found:
        return config

    def changed(key: str, options: dict[str, Any]) -> dict[str, Any]:
        return {**options, "model": found[key]} if key in found else options

    stage: Any = config.stage  # of a subclass
    reward = config.reward
    if stage.rollouts:
        terms = {
            name: replace(term, options=changed(f"reward.terms.{name}.options", term.options))
            for name, term in reward.terms.items()
        }
        return replace(config, reward=replace(reward, terms=terms))
    if stage.kind in ("curate", "reject"):
        steps = {
            name: {**step, "options": changed(f"stage.steps.{name}.options", step["options"])}
            if step and "options" in step
            else step
            for name, step in stage.steps.items()
        }
        return replace(config, stage=replace(stage, steps=steps))
    best_of = replace(stage.best_of, options=changed("stage.best_of.options", stage.best_of.options))
    return replace(config, stage=replace(stage, best_of=best_of))
