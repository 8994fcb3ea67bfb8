"""The shipped ladder: every family at every size."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from openr1 import conf
from openr1.models.families import FAMILIES
from openr1.models.options import ModelConfig, ScaleConfig
from openr1.models.shape import count, solve_shape

CONF = Path(conf.__file__).parent


def read(schema: type, path: Path):
    return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(schema), OmegaConf.load(path)))


MODELS = [read(ModelConfig, path) for path in sorted((CONF / "model").glob("*.yaml"))]
LADDER = sorted((read(ScaleConfig, path) for path in (CONF / "scale").glob("*.yaml")), key=lambda scale: scale.params)


def test_every_family_is_shipped():
    assert {model.family for model in MODELS} == set(FAMILIES)


@pytest.mark.parametrize("path", sorted((CONF / "scale").glob("*.yaml")), ids=lambda path: path.stem)
def test_name_and_file_and_params_of_a_size_agree(path: Path):
    scale = read(ScaleConfig, path)
    assert scale.name == path.stem
    assert scale.params == pytest.approx(float(scale.name[:-1]) * {"k": 1e3, "m": 1e6, "b": 1e9}[scale.name[-1]])


@pytest.mark.parametrize("vocab_size", [512, 151_936])
@pytest.mark.parametrize("scale", LADDER, ids=lambda scale: scale.name)
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.family)
def test_active_non_embedding_parameters_meet_the_size(model: ModelConfig, scale: ScaleConfig, vocab_size: int):
    solved = solve_shape(model, scale, vocab_size, 128)
    params = count(solved)
    assert params.non_embedding == pytest.approx(scale.params, rel=0.15)
    assert params.embedding == vocab_size * scale.width
    assert params.total >= params.active == params.non_embedding + params.embedding
    assert 0.7 <= solved.ff / solved.width <= 4.5


@pytest.mark.parametrize("scale", LADDER, ids=lambda scale: scale.name)
def test_heads_suit_the_kernels(scale: ScaleConfig):
    assert scale.width % scale.heads == 0
    assert scale.width // scale.heads in (32, 64, 128)  # what vLLM's CPU engine and FlashAttention have in common
    assert scale.heads % scale.kv_heads == 0


def test_a_larger_size_is_never_narrower():
    widths = [scale.width for scale in LADDER]
    assert widths == sorted(widths)
