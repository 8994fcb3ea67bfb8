"""Mixes of rewards as Hydra configs."""

from importlib import resources

import pytest
from helpers.configs import composed
from omegaconf import OmegaConf

from openr1.rewards import REWARDS, Reward, RewardConfig, TermConfig
from openr1.rewards.mix import build_terms
from openr1.rewards.options import check_reward
from openr1.system.errors import ConfigError

SHIPPED = sorted(
    path.name for path in resources.files("openr1.conf").joinpath("reward").iterdir() if path.name.endswith(".yaml")
)


def test_a_mix_is_changed_from_the_command_line():
    added = '+reward.terms={mine:{function:"my.package:reward",weight:0.2,options:{a:1}}}'
    config = composed("reward=r1", "reward.terms.format.weight=0.5", "~reward.terms.accuracy", added).reward
    assert {name: term.weight for name, term in config.terms.items()} == {"format": 0.5, "language_consistency": 1, "mine": 0.2}
    assert config.terms["mine"] == TermConfig(0.2, "my.package:reward", {"a": 1})
    options = composed("reward=cosine", "+reward.terms.cosine.options.wrong_long=-0.1").reward.terms["cosine"].options
    assert options == {"max_length": 1000, "wrong_long": -0.1}


def typed(node):
    return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(RewardConfig), node))


def mix(name="cosine", **keys):
    return RewardConfig({name: TermConfig(**keys)})


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_mix_can_be_built(name):
    config = typed(OmegaConf.load(resources.files("openr1.conf").joinpath("reward", name)))
    check_reward(config)
    assert [term.name for term in build_terms(config)] == list(config.terms) != []


def test_every_reward_of_the_facts_is_there_with_options_of_its_own():
    named = "accuracy format tag_count reasoning_steps length cosine repetition_penalty soft_overlong_punishment"
    model_based = "preference harmlessness judge"
    assert set(REWARDS) == set(f"{named} language_consistency readability code binary_code code_format {model_based}".split())
    assert all(isinstance(reward, Reward) and reward.options() is not None for reward in REWARDS.values())


def test_options_reach_the_reward():
    config = typed({"terms": {"short": {"function": "cosine", "weight": 0.5, "options": {"max_length": 7}}}})
    [term] = build_terms(config)
    assert (term.name, term.options.max_length, config.terms["short"].weight) == ("short", 7, 0.5)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            mix("acuracy"),
            r"reward\.terms\.acuracy\.function: 'acuracy' is not one of accuracy, .*, nor package\.module:function",
        ),
        (mix(options={"max_len": 5}), r"reward\.terms\.cosine\.options\.max_len: no such key; there are .*max_length"),
        (mix(options={"max_length": "long"}), r"reward\.terms\.cosine\.options\.max_length: .*"),
        (mix(options={"max_length": 0}), r"reward\.terms\.cosine\.options\.max_length: must be at least 1"),
        (mix("repetition_penalty", options={"penalty": 1}), r".*options\.penalty: must be from -1e\+06 to 0"),
        (mix("repetition_penalty", options={"ngram": 0}), r".*options\.ngram: must be from 1 to 1000"),
        (mix("soft_overlong_punishment", options={"max_length": 9}), r".*options\.cache: .* at most max_length=9"),
        (mix("language_consistency", options={"language": "tlh"}), r".*options\.language: 'tlh' is not one of .*en.*"),
        (mix("reasoning_steps", options={"markers": "("}), r".*options\.markers: not a regular expression: .*"),
        (mix("reasoning_steps", options={"enough": 0}), r".*options\.enough: must be at least 1"),
        (mix("binary_code", options={"threshold": 0}), r".*options\.threshold: must be above 0 and at most 1"),
        (RewardConfig(time_limit=0), r"reward\.time_limit: must be above 0, not 0"),
        (RewardConfig(workers=0), r"reward\.workers: must be at least 1, not 0"),
        (RewardConfig(sandbox="docker"), r"reward\.sandbox: 'docker' is not one of bubblewrap, .*"),
        (typed({"limits": {"memory_mb": -1}}), r"reward\.limits\.memory_mb: must be at least 1, not -1"),
    ],
)
def test_an_impossible_mix_is_refused_with_its_key(config, message):
    with pytest.raises(ConfigError, match=message):
        check_reward(config)


def test_a_reward_by_import_path_is_left_to_the_processes_that_score():
    check_reward(mix("mine", function="my.package:reward"))
    check_reward(RewardConfig({"my.package:reward": TermConfig()}))
