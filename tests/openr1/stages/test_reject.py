import pyarrow.parquet as pq
import pytest
from helpers.configs import composed
from helpers.data import prepare

from openr1.data.options import ArtifactSource
from openr1.runs.fingerprint import identify
from openr1.runs.stage_run import run_stage
from openr1.system.errors import ConfigError


@pytest.fixture
def rejecting(sums, student):
    return [*sums, "stage=reject", f"model.checkpoint={student.model}", "stage.problems=20", "stage.samples=3"]


def test_what_passes_is_kept_and_can_be_trained_on(rejecting, sums, scripted):
    # of three answers one is right, and it reasons
    scripted(answer=lambda prompt, i: f"<think>so</think><answer>{eval(prompt.removesuffix('=')) + i - 1}</answer>")
    result = run_stage(composed(*rejecting), quiet=True)
    kept = pq.read_table(result.artifact.data / "examples.parquet").to_pylist()
    assert len(kept) == result.metrics["rows_after"] == 20
    assert all(
        row["completion"] == f"<think>so</think><answer>{eval(row['prompt'].removesuffix('='))}</answer>" for row in kept
    )
    sampled = pq.read_table(result.artifact.path / "sampled" / "data" / "answers.parquet")
    assert sampled.num_rows == 60
    assert (result.artifact.path / "card.md").exists()

    tune = composed(*sums, "stage=sft", "data.eval_tokens=128")
    # as a recipe does: a problem to train on is never held out, so losses are those of the task
    tune.data.held_out, tune.data.sources = tune.data.sources, {"made": ArtifactSource(artifact=result.artifact.name)}
    assert prepare(tune).unique_tokens > 0
    assert identify(tune)[1]["sources.made"] == result.artifact.name


def test_its_fingerprint_has_the_policy_the_sampling_and_the_order_of_curation(rejecting):
    first = identify(composed(*rejecting))[0]
    for change in (
        "stage.samples=4",
        "stage.sampling.temperature=0.7",
        "stage.steps.select.k=2",
        "seed=1",
        "stage.steps.format=null",
    ):
        assert identify(composed(*rejecting, change))[0] != first, change


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("model.checkpoint=null", "model.checkpoint: stage=reject asks a model"),
        ("stage.steps.select.by=best", "stage.steps.select.by: 'best' is not one of"),
        ("model.checkpoint=generate-0123456789abcdef", "model.checkpoint: stage=generate makes answers"),
    ],
)
def test_what_cannot_be_is_refused(rejecting, override, line):
    with pytest.raises(ConfigError) as caught:
        composed(*rejecting, override)
    assert str(caught.value).startswith(line)
