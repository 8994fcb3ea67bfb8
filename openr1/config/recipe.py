"""Recipes: several stages in order, each with the artifacts of earlier ones (``recipe=r1_distill``).

A step is written as a difference from the config of the run, so that ``scale=500k data=sums`` hold for all steps. It becomes a
complete config of one stage, with artifacts by name: it can be run alone, and recipes that have a step in common share its
artifact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from openr1.config.schema import Config, to_dict
from openr1.config.validation import validate
from openr1.options import load_config
from openr1.system.errors import ConfigError

WHOLE = ("stage", "budget")  # groups that a step replaces as a whole, not key by key
NAMED = ("kind", "family", "name")  # a group with one of these keys, such as another data=, replaces that of the run too
KEY_BY_KEY = ("optim",)  # groups that never are, though they have such a key
FREE = ("sources", "held_out", "options", "checkpoints", "terms", "by_task")  # as do nodes whose keys users choose
UNMADE = "0" * 16


@dataclass(frozen=True)
class RecipeStep:
    """One step of a recipe: a complete config of one stage.

    :ivar inputs: fingerprints of its inputs, by name.
    """

    name: str
    config: Config
    fingerprint: str
    inputs: dict[str, str]


def recipe_steps(config: Config, identify: Callable[[Config], tuple[str, dict[str, str]]]) -> Iterator[RecipeStep]:
    """Yield the steps of a recipe in order; each refers to earlier ones by the names of their artifacts.

    :param identify: returns the fingerprint of a config of one stage, and those of its inputs.
    :raises ConfigError: for the first step that is impossible; the line begins with its key in the recipe.
    """
    base = to_dict(config)
    base_steps = base.pop("recipe")["steps"]
    base["recipe"] = None
    made: dict[str, str] = {}
    for name, step in base_steps.items():
        where = f"recipe.steps.{name}"
        delta = {group: value for group, value in step.items() if value not in ({}, None)}
        later = [other for other in base_steps if other not in made]
        resolved = merged(base, _referred(delta, where, made, later))
        try:
            complete = load_config(Config, resolved)
            validate(complete)
            fingerprint, inputs = identify(complete)
        except ConfigError as error:
            raise ConfigError(f"{where}.{error}") from error
        made[name] = f"{complete.stage.kind}-{fingerprint}"
        yield RecipeStep(name, complete, fingerprint, inputs)


def check(config: Config) -> None:
    """Refuse an impossible recipe, without reading anything.

    :raises ConfigError: as :func:`recipe_steps` does.
    """
    if config.recipe is None or not config.recipe.steps:
        raise ConfigError("recipe.steps: at least one step is needed")
    fractions = {}
    for stage in recipe_steps(config, identify=lambda _: (UNMADE, {})):
        fractions[stage.config.data.eval_fraction] = stage.name
    if len(fractions) > 1:
        one, other = list(fractions)[:2]
        key = f"recipe.steps.{fractions[other]}.data.eval_fraction"
        raise ConfigError(
            f"{key}: {other:g}, but {one:g} in {fractions[one]}; one step would train on documents that another holds out"
        )


def merged(base: dict[str, Any], delta: dict[str, Any], free: tuple[str, ...] = WHOLE) -> dict[str, Any]:
    """Return ``base`` with the keys of ``delta``: nested ones one by one, except those that are replaced as a whole."""
    result = dict(base)
    for key, value in delta.items():
        nested = isinstance(value, dict) and isinstance(base.get(key), dict)
        named = nested and key not in KEY_BY_KEY and any(name in value for name in NAMED)
        whole = key in (*free, *FREE) or named
        result[key] = merged(base[key], value, ()) if nested and not whole else value
    return result


def _referred(value: Any, key: str, made: dict[str, str], later: list[str]) -> Any:
    """Replace each ``@STEP`` in ``value`` by the name of the artifact of that step."""
    if isinstance(value, dict):
        return {name: _referred(item, f"{key}.{name}", made, later) for name, item in value.items()}
    if isinstance(value, list):
        return [_referred(item, key, made, later) for item in value]
    if not (isinstance(value, str) and value.startswith("@")):
        return value
    step = value[1:]
    if step in made:
        return made[step]
    known = f"there are {', '.join(made)}" if made else "it is the first"
    problem = "is not before this step" if step in later else "is no step of this recipe"
    raise ConfigError(f"{key}: {value!r} {problem}; of those before it, {known}")
