"""A model whose chat template opens ``<think>``, through every stage that asks or trains it."""

import pyarrow.parquet as pq
import pytest
from helpers.configs import composed
from helpers.models import OPENING
from transformers import AutoModelForCausalLM, AutoTokenizer

from openr1.data.options import ArtifactSource
from openr1.data.tasks.base import Problem
from openr1.evaluation.grouping import follows_template
from openr1.rewards import RewardConfig, Scorer, TermConfig
from openr1.rl import preflight
from openr1.runs.stage_run import run_stage
from openr1.system.errors import ConfigError

pytestmark = pytest.mark.xdist_group("opened")  # they share a model
SUMS = ["data=sums", "data.sources.sums.problems=300", "data.eval_fraction=0.2", "data.tokenizer.vocab_size=258", "scale=30k"]


def with_template(student, folder, template):
    """The directory of the model that has seen sums, with a chat template."""
    tokens, model = AutoTokenizer.from_pretrained(student.model), AutoModelForCausalLM.from_pretrained(student.model)
    tokens.chat_template = template
    model.save_pretrained(folder)
    tokens.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def thinker(student, tmp_path_factory):
    """Overrides of a run with a model that was trained on whole examples after prompts that open ``<think>``."""
    folder = tmp_path_factory.mktemp("thinker")
    raw = with_template(student, folder / "raw", OPENING)
    sums = [*SUMS, "data.chat=true", "data.sources.sums.reasoned=1", f"paths.outputs={folder}/outputs"]
    config = composed(*sums, "stage=sft", "budget.steps=150", "optim.batch_tokens=1024", f"model.checkpoint={raw}")
    return [*sums, f"model.checkpoint={run_stage(config, quiet=True).artifact.model}"]


def completions(result):
    table = pq.read_table(result.artifact.path / "data").to_pylist()
    return [row["completion"] for row in table]


def test_a_completion_of_an_opened_prompt_is_formatted():
    rest = "30+12 is 42</think><answer>42</answer>"
    assert follows_template(f"<think>{rest}")
    assert follows_template(rest, opened=True)
    assert not follows_template(rest)


@pytest.mark.integration
def test_an_evaluation_sees_whole_completions(thinker):
    asked = ["stage=evaluate", "stage.problems=16", "stage.samples=2", "stage.sampling.max_tokens=48"]
    result = run_stage(composed(*thinker, *asked), quiet=True)
    kept = completions(result)
    assert all(text.startswith("<think>") and text.count("<think>") == 1 for text in kept)
    assert result.metrics["format_rate"] > 0.5
    assert result.metrics["reasoned_rate"] > 0.5


@pytest.mark.integration
def test_what_was_generated_is_curated_and_trained_on(thinker):
    sampling = ["stage.samples=2", "stage.sampling.max_tokens=48"]
    generated = run_stage(composed(*thinker, "stage=generate", "data.sources.sums.problems=24", *sampling), quiet=True)
    assert all(text.startswith("<think>") for text in completions(generated))
    steps = ["stage.steps.verify=null", "stage.steps.select=null", f"stage.inputs=[{generated.artifact.name}]"]
    curated = run_stage(composed(*[one for one in thinker if "checkpoint" not in one], "stage=curate", *steps), quiet=True)
    assert 0 < len(completions(curated)) <= 48
    tune = composed(*thinker, "stage=sft", "budget.steps=2", "optim.batch_tokens=256")
    tune.data.held_out = tune.data.sources
    tune.data.sources = {"made": ArtifactSource(artifact=curated.artifact.name)}
    assert run_stage(tune, quiet=True).metrics["eval_loss"] > 0


@pytest.mark.integration
def test_a_policy_is_rewarded_for_the_form(thinker):
    short = [
        "stage=grpo",
        "reward=r1_zero",
        "optim=rl",
        "optim.lr=1e-4",
        "stage.prompts=2",
        "stage.samples=4",
        "budget.steps=2",
    ]
    short += ["stage.sampling.max_tokens=48", "stage.eval.problems=4", "stage.eval.samples=2"]
    result = run_stage(composed(*thinker, *short), quiet=True)
    assert result.metrics["reward_format"] > 0.5
    assert result.metrics["format_rate"] > 0.5
    plain = composed(*thinker, *short, "data.chat=false", "+reward.terms.format.options.opened=true")
    with pytest.raises(ConfigError, match=r"^reward\.terms\.format\.options\.opened: is for prompts that end with <think>"):
        run_stage(plain, quiet=True)


def test_a_form_that_cannot_be_is_refused():
    sources = {"sums": [Problem("1+1=", "2", "1+1")]}
    ends = {"plain": "A:", "open": "A:<think>\n", "over": "A:<think>\n\n</think>\n\n"}

    def refusal(end, **terms):
        with Scorer(RewardConfig({"accuracy": TermConfig(), **terms}, workers=1)) as scorer:
            try:
                preflight.check_rewards(scorer, sources, lambda problem: ends[end])
            except ConfigError as error:
                return str(error).partition(" ")[0]
        return None

    assert refusal("plain", format=TermConfig()) is None
    assert refusal("open", format=TermConfig()) is None
    assert refusal("open", format=TermConfig(options={"opened": True}), tag_count=TermConfig()) is None
    assert refusal("plain", shape=TermConfig(1.0, "format", {"opened": True})) == "reward.terms.shape.options.opened:"
    assert refusal("over", format=TermConfig()) == "reward.terms.format:"
    assert refusal("over") is None
