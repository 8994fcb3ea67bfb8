import inspect
from dataclasses import dataclass

import pytest
from omegaconf import BooleanNode, OmegaConf, ValidationError

from openr1.options import compat, load_config
from openr1.system.errors import ConfigError


@dataclass
class Options:
    margin: bool = False


def test_omegaconf_still_takes_any_number_for_true():
    assert BooleanNode._validate_and_convert_impl is compat._convert
    assert "return value != 0" in inspect.getsource(compat.convert)


@pytest.mark.parametrize(("value", "read"), [(True, True), (0, False), (1, True), ("1", True), ("no", False), ("true", True)])
def test_what_is_true_or_false_is_read(value, read):
    assert OmegaConf.merge(OmegaConf.structured(Options), {"margin": value}).margin is read


@pytest.mark.parametrize("value", [2, -1, "2", 10**9])
def test_a_number_is_neither_true_nor_false(value):
    with pytest.raises(ValidationError, match="must be true or false"):
        OmegaConf.merge(OmegaConf.structured(Options), {"margin": value})
    with pytest.raises(ConfigError) as caught:
        load_config(Options, {"margin": value})
    assert str(caught.value) == f"margin: must be true or false, not {value}"
