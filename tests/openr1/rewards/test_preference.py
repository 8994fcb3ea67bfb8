"""Rewards by a reward model of 0.2 million random parameters."""

import shutil
import statistics

import pytest
import torch
from helpers.models import TEMPLATE, tokenizer, write_model, write_reward_model
from transformers import AutoModelForSequenceClassification

from openr1.data.options import DataConfig
from openr1.data.tasks.base import Problem
from openr1.models import flops
from openr1.rewards import REWARDS, RewardConfig, Sample, Scorer, TermConfig
from openr1.rewards.model_based import normalise, scored_text
from openr1.rewards.preference import (
    LOADED,
    RewardModel,
    RewardModelOptions,
    check_reward_model,
    reward_shape,
    write_prompt_form,
)
from openr1.system.errors import ConfigError

ANSWERS = ("<think>1+1 is 2</think><answer>2</answer>", "<think>no</think><answer>3</answer>", "<think>for ever")
PROBLEM = Problem("1+1=", "2", task="sums")
CHAT = Problem("say hello", "", task="chat")


def of(*completions, problem=PROBLEM):
    return [Sample(problem, completion) for completion in completions]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_reward_model(tmp_path_factory.mktemp("reward_model"))


@pytest.fixture(scope="module")
def templated(tmp_path_factory):
    return write_reward_model(tmp_path_factory.mktemp("templated"), template=TEMPLATE)


def opened(folder, **options):
    return RewardModel(RewardModelOptions(model=folder, **options), "reward.terms.r.options")


def logit(folder, text, end="<|endoftext|>"):
    """The reward of a text by transformers alone."""
    ids = tokenizer()(text + end)["input_ids"]
    with torch.no_grad():
        return AutoModelForSequenceClassification.from_pretrained(folder).eval()(torch.tensor([ids])).logits.item()


def test_a_reward_is_that_of_the_text_as_training_reads_it(folder, templated):
    with opened(folder) as plain, opened(templated) as chat, opened(templated, chat=False) as told:
        assert plain.rate(of("2"))[0] == pytest.approx(logit(folder, "1+1=2"), abs=1e-5)
        turns = "<|user|>1+1=<|endoftext|><|assistant|>2"
        assert chat.rate(of("2"))[0] == pytest.approx(logit(templated, turns), abs=1e-5)
        assert told.rate(of("2"))[0] == pytest.approx(logit(templated, "1+1=2"), abs=1e-5)
    with opened(folder, instruction="Add {prompt}") as instructed:
        assert instructed.rate(of("2"))[0] == pytest.approx(logit(folder, "Add 1+1=2"), abs=1e-5)


def test_a_model_is_asked_as_it_was_trained(folder, tmp_path):
    trained = shutil.copytree(folder, tmp_path / "model")
    write_prompt_form(trained, DataConfig(name="pairs", instruction="Add {prompt}"))
    with opened(str(trained)) as as_trained, opened(str(trained), instruction="{prompt}") as told:
        assert as_trained.rate(of("2"))[0] == pytest.approx(logit(folder, "Add 1+1=2"), abs=1e-5)
        assert told.rate(of("2"))[0] == pytest.approx(logit(folder, "1+1=2"), abs=1e-5)


def test_a_batch_gives_what_each_text_gives(folder):
    answers = of(*("2" * length for length in (1, 40, 3, 17)))
    with opened(folder, batch_size=1) as single, opened(folder, batch_size=3) as batched:
        assert batched.rate(answers) == pytest.approx(single.rate(answers), abs=1e-5)


def test_the_summary_is_scored_without_the_thoughts(folder):
    with opened(folder, of="summary") as summary, opened(folder) as whole:
        rated = summary.rate(of(*ANSWERS))
        assert rated[:2] == pytest.approx(whole.rate(of("<answer>2</answer>", "<answer>3</answer>")), abs=1e-5)
        assert rated[2] == "no summary after the thoughts"
        [(values, reasons)] = summary.score([of(*ANSWERS)])
        assert values[2] == min(values)  # no policy gains by leaving out the summary
        assert reasons == [None] * 3
        [(values, reasons)] = summary.score([of(ANSWERS[2], ANSWERS[2])])
        assert values == [None, None]
        assert reasons == ["no summary after the thoughts"] * 2
    assert scored_text(of("<think>a</think>  b ")[0], "summary") == "b"
    assert scored_text(of("<think>a</think>  ")[0], "summary") is None


def test_a_text_that_is_too_long_has_no_reward(folder):
    with opened(folder) as model:
        long, short = model.rate(of("1 " * 300, "1"))
        assert long.endswith(" tokens are beyond the reward model's 256 positions")
        assert isinstance(short, float)


def test_flops_are_those_of_the_tokens_that_were_read(folder):
    options = RewardModelOptions(model=folder)
    shape = reward_shape(options)
    with RewardModel(options, "key") as model:
        model.rate(of("2"))
        tokens = len(tokenizer()("1+1=2")["input_ids"]) + 1
        assert model.flops == tokens * flops.forward_flops(shape, tokens)
    assert shape.labels == 1


def test_scores_are_normalised_within_their_group_and_clipped():
    values = normalise([1.0, 2.0, None, 6.0], "group", None)
    assert values[2] is None
    known = [value for value in values if value is not None]
    assert statistics.fmean(known) == pytest.approx(0, abs=1e-12)
    assert statistics.stdev(known) == pytest.approx(1, rel=1e-4)
    assert normalise([0.0, 0.0, 50.0], "none", 3.0) == [0.0, 0.0, 3.0]
    assert normalise([-7.0, 7.0], "none", None) == [-7.0, 7.0]
    assert max(normalise([0.0] * 20 + [1.0], "group", 3.0)) == 3.0
    assert normalise([5.0], "group", 3.0) == [0.0]
    assert normalise([1.0, 1.0 + 1e-9], "group", 3.0) == pytest.approx([0, 0], abs=1e-4)  # rounding is no preference
    assert normalise([], "group", 3.0) == normalise([None], "group", 3.0)[1:] == []


MODELS = {"helpful": TermConfig(0.5, "preference"), "harmless": TermConfig(2.0, "harmlessness")}


def mix(folder, by_task=None, **rules):
    terms = {name: TermConfig(term.weight, term.function, {"model": folder}) for name, term in MODELS.items()}
    return RewardConfig({**rules, **terms}, by_task=by_task or {}, workers=1)


def test_models_score_in_this_process_once_loaded_and_rules_in_theirs(folder):
    with Scorer(mix(folder, accuracy=TermConfig())) as scorer:
        [first, second] = scorer.score([of(*ANSWERS), of(*ANSWERS[:2])])
        assert len(LOADED) == 1  # for both terms
        for score in first:
            weighted = score.values["accuracy"] + 0.5 * score.values["helpful"] + 2 * score.values["harmless"]
            assert score.total == pytest.approx(weighted)
        assert [score.correct for score in second] == [True, False]
        spent = scorer.take_flops()
        assert spent > 0
        assert scorer.take_flops() == 0
        scorer.score([of(*ANSWERS), of(*ANSWERS[:2])])
        assert scorer.take_flops() == pytest.approx(spent)
        [rules] = scorer.score([of(*ANSWERS)], model_based=False)
        assert [score.total for score in rules] == [1, 0, 0]
        assert rules[0].values["helpful"] is None
    assert not LOADED


def test_every_task_has_its_own_terms_and_weights(folder):
    by_task = {"sums": {"accuracy": 1.0, "format": 0.25}, "chat": {"helpful": 3.0}}
    with Scorer(mix(folder, by_task, accuracy=TermConfig(), format=TermConfig())) as scorer:
        sums, chat, other = scorer.score(
            [of(*ANSWERS), of(*ANSWERS, problem=CHAT), of(*ANSWERS[:2], problem=Problem("2+2=", "4", task="other"))]
        )
    assert [score.total for score in sums] == [1.25, 0.25, 0]
    assert all(score.values["helpful"] is score.values["harmless"] is None for score in sums)
    assert [score.total for score in chat] == [3 * score.values["helpful"] for score in chat]
    assert all(score.correct is None and score.verdict is None for score in chat)  # nobody asked
    assert all(None not in score.values.values() for score in other)  # which is not named: all terms


def test_a_source_is_named_before_a_task():
    config = RewardConfig(
        {"accuracy": TermConfig(), "format": TermConfig()}, by_task={"hard": {"format": 1.0}, "sums": {"accuracy": 1.0}}
    )
    with Scorer(config, sources={PROBLEM.id: "hard"}) as scorer:
        assert scorer.weights.of(PROBLEM) == {"format": 1.0}
        assert scorer.weights.of(Problem("2+2=", "4", task="sums")) == {"accuracy": 1.0}
        assert scorer.weights.of(CHAT) == {"accuracy": 1.0, "format": 1.0}


def test_a_reward_model_is_called_like_any_reward(folder):
    values = REWARDS["harmlessness"](of(*ANSWERS), model=folder, normalise="none", clip=None)
    with opened(folder) as model:
        assert values == pytest.approx(model.rate(of(*ANSWERS)))


def refused(folder, **options):
    with pytest.raises(ConfigError) as early:
        check_reward_model(RewardModelOptions(model=folder, **options), "reward.terms.r.options")
    assert "\n" not in str(early.value)
    with pytest.raises(ConfigError) as late:
        opened(folder, **options)
    assert str(late.value).startswith("reward.terms.r.options.model: ")
    return str(early.value)


def test_a_model_that_gives_no_reward_is_refused_before_and_when_it_is_loaded(tmp_path, folder):
    two = write_reward_model(tmp_path / "two", labels=2)
    assert refused(two) == f"reward.terms.r.options.model: {two} has a head of 2 labels; a reward model has 1"
    causal = write_model(tmp_path / "causal")
    assert "is a Qwen2ForCausalLM, which gives no reward" in refused(causal)
    assert "is neither a directory with a config.json nor" in refused(str(tmp_path / "nowhere"))


def test_a_tokenizer_that_does_not_fit_is_refused(tmp_path):
    folder = write_reward_model(tmp_path)
    for path in tmp_path.glob("*token*"):
        path.unlink()
    assert refused(folder) == f"reward.terms.r.options.model: {folder} holds no tokenizer"
    longer = tokenizer().__class__.from_pretrained(write_model(tmp_path / "other"))
    longer.add_tokens([f"<{i}>" for i in range(30)])
    longer.save_pretrained(tmp_path)
    assert "its embedding has" in refused(folder)


@pytest.mark.parametrize(
    ("config", "line"),
    [
        (RewardConfig({"preference": TermConfig()}), "reward.terms.preference.options.model: no value is given"),
        (mix("m", {"sums": {"acuracy": 1.0}}), "reward.by_task.sums.acuracy: is not a term of reward.terms; there are helpful"),
        (
            mix("m", {"sums": {"helpful": "much"}}),
            "reward.by_task.sums.helpful: must be a number from -1e+06 to 1e+06, not 'much'",
        ),
        (mix("m", {"sums": {"helpful": float("nan")}}), "reward.by_task.sums.helpful: must be a finite number, not nan"),
        (mix("m", {"sums": {}}), "reward.by_task.sums: no term is named; there are helpful, harmless"),
        (
            RewardConfig({"preference": TermConfig(options={"model": "m", "clip": 0})}),
            "reward.terms.preference.options.clip: must be above 0, not 0",
        ),
        (
            RewardConfig({"preference": TermConfig(options={"model": "m", "normalise": "batch"})}),
            "reward.terms.preference.options.normalise: 'batch' is not one of group, none",
        ),
        (
            RewardConfig({"preference": TermConfig(options={"model": "m", "of": "thoughts"})}),
            "reward.terms.preference.options.of: 'thoughts' is not one of summary, completion",
        ),
        (
            RewardConfig({"preference": TermConfig(options={"model": "m", "instruction": "hm"})}),
            "reward.terms.preference.options.instruction: 'hm' must contain {prompt}",
        ),
    ],
)
def test_impossible_options_are_refused_in_one_line(config, line):
    with pytest.raises(ConfigError) as caught:
        Scorer(config)
    assert str(caught.value).startswith(line)
