import pytest
from helpers.configs import composed

from openr1.models.shape import solve_shape
from openr1.runs.requirements import check_build, check_requirements
from openr1.system.errors import ConfigError


def check(config):
    check_requirements(config)
    check_build(config, solve_shape(config.model, config.scale, 512, config.data.context))


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["compute.device=cuda"], "compute.device: cuda needs a GPU"),
        (
            ["stage=evaluate", "data=sums", "engine.device=cuda", "model.checkpoint=sft-0123456789abcdef"],
            "engine.device: cuda needs",
        ),
        (["model.attention=flash_attention_2"], "model.attention: flash_attention_2 needs"),
        (["+model.options.hidden_act=foo"], "model.options: transformers cannot build qwen2 with .*'foo'"),
    ],
)
def test_what_the_machine_lacks_is_one_line(overrides, line, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("transformers.utils.is_flash_attn_2_available", lambda: False)
    config = composed("scale=30k", *overrides)
    with pytest.raises(ConfigError, match=f"^{line}") as refused:
        check(config)
    assert "\n" not in str(refused.value)


def test_an_ordinary_run_needs_nothing():
    config = composed("scale=30k")
    check(config)
