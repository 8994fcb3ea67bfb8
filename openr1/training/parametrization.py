"""The parametrization of a run, from its config and the checkpoint that it starts from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from openr1.models.checkpoints import checkpoint_of, checkpoint_parametrization
from openr1.models.parametrization import Parametrization
from openr1.models.shape import Shape, solve_shape
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    from openr1.config.schema import Config


def base_shape(config: Config, shape: Shape) -> Shape:
    """Return the shape of the base size in the family of a model.

    :raises ConfigError: if the base is larger than the model, or the family has no model of its size.
    """
    base = config.optim.base
    assert base is not None  # openr1.training.options.check_optim
    for name in ("width", "depth"):
        ours, of_base = getattr(shape, name), getattr(base, name)
        if of_base > ours:
            raise ConfigError(
                f"optim.base.{name}: the base {base.name} has {of_base}, above the {ours} of the model; give a base no larger "
                "than the smallest model"
            )
    try:
        return solve_shape(replace(config.model, family=shape.family), base, shape.vocab_size, shape.context)
    except ConfigError as error:
        raise ConfigError(f"optim.base: {error}") from error


def parametrization_of(config: Config, shape: Shape) -> Parametrization | None:
    """Return the parametrization of a run; None for the standard one.

    A checkpoint must have been initialised in the same one, since its weights hold the multipliers; later stages may train it
    in the standard one, as any other checkpoint.

    :raises ConfigError: if there is no base of this kind, or the checkpoint was initialised in another parametrization.
    """
    kind, base = config.optim.parametrization, config.optim.base
    if kind == "standard":
        return None
    assert base is not None
    checkpoint = checkpoint_of(config.model, config.scale)
    if not checkpoint:
        return Parametrization(kind, base_shape(config, shape))
    found = checkpoint_parametrization(config.model, config.scale)
    if found is None or found.kind != kind:
        raise ConfigError(
            f"optim.parametrization: {checkpoint} was initialised in {found.kind if found else 'standard'}, not {kind}; "
            "weights hold the multipliers of their parametrization, so give that one, or standard"
        )
    for name in ("width", "depth", "heads"):
        if getattr(found.base, name) != getattr(base, name):
            raise ConfigError(
                f"optim.base.{name}: is {getattr(base, name)}, but the weights of {checkpoint} are relative to "
                f"{getattr(found.base, name)}; give the same base"
            )
    return found
