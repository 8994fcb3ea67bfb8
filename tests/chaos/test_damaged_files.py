"""Each file that runs leave is damaged in each way, one by one: every use of it is one line, or has the right result."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from helpers.configs import composed, tiny_run
from helpers.damage import FAULTS, damaged, files_of
from helpers.kills import killed

from openr1.config.schema import Config
from openr1.rl.callback import PolicyCallback
from openr1.runs.prepare import prepare
from openr1.runs.stage_run import run_stage
from openr1.system.errors import ConfigError, RunError
from openr1.training.callback import TrainingCallback

pytestmark = [pytest.mark.integration, pytest.mark.nightly]

SUMS = ["data=sums", "data.sources.sums.problems=200", "data.eval_fraction=0.2", "data.tokenizer.vocab_size=258", "scale=30k"]
TRUNK = ["budget.steps=24", "optim.warmup_tokens=300", "optim.decay=0.25", "optim.lr=0.01"]
GRPO = ["stage=grpo", "optim=rl", "stage.prompts=2", "stage.samples=4", "stage.sampling.max_tokens=12", "budget.steps=4"]
GRPO += ["stage.eval.every=2", "stage.eval.problems=4", "stage.eval.samples=2", "stage.preflight=false"]
ASKED = ["stage.samples=2", "stage.problems=6", "stage.sampling.max_tokens=12"]


@dataclass
class Made:
    """Runs that were made, each a stage.

    :ivar outputs: the folder that holds all they left.
    :ivar configs: by name.
    :ivar results: the hash of what each made.
    :ivar artifacts: the artifacts that each made and took.
    """

    outputs: Path
    configs: dict[str, Config] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)
    artifacts: dict[str, set[str]] = field(default_factory=dict)

    def make(self, name: str, *overrides: str) -> str:
        """Run a stage, and return the name of its artifact."""
        self.configs[name] = composed(*overrides, f"paths.outputs={self.outputs}")
        result = run_stage(self.configs[name], quiet=True)
        self.results[name] = result.artifact.sha256()
        self.artifacts[name] = {result.artifact.name, *result.artifact.inputs.values()}
        return result.artifact.name

    def use(self, artifact: str | None = None) -> list[str]:
        """Run stages again, and return the lines by which some are refused; all others must have the same result.

        :param artifact: only those that make or take it.
        """
        lines = []
        for name, config in self.configs.items():
            if artifact and artifact not in self.artifacts[name]:
                continue
            try:
                result = run_stage(config, quiet=True)
            except (ConfigError, RunError) as error:
                lines.append(str(error))
            else:
                assert result.artifact.sha256() == self.results[name], name
        return lines


@pytest.fixture(scope="module")
def made(tmp_path_factory, text_file):
    """A trunk with a branch; answers, their curation, a model fine-tuned on them, its evaluation, and its policy."""
    made = Made(tmp_path_factory.mktemp("made") / "outputs")
    tiny = tiny_run(text_file, made.outputs.parent)
    trunk = made.make("trunk", *tiny, *TRUNK, "stage.keep_states=[768]")
    made.make("branch", *tiny, *TRUNK, "budget.steps=12", f"stage.trunk={trunk}")
    answers = made.make("answers", *SUMS, "stage=generate", "stage.teacher=oracle")
    examples = made.make("examples", "stage=curate", f"stage.inputs=[{answers}]")
    source = ["data=artifact", f"data.sources.examples.artifact={examples}", "data.eval_fraction=0.5", SUMS[3]]
    student = made.make("student", *source, "scale=30k", "stage=sft", "budget.steps=6", "optim.batch_tokens=512")
    evaluation = made.make("evaluation", *SUMS, "stage=evaluate", f"model.checkpoint={student}", *ASKED)
    made.make("graded again", *SUMS, "stage=evaluate", f"stage.answers={evaluation}")
    made.make("policy", *SUMS, *GRPO, f"model.checkpoint={student}")
    return made


@pytest.mark.parametrize("fault", FAULTS)
def test_no_damaged_artifact_is_used(made, fault):
    assert made.use() == []
    for path in files_of(made.outputs / "artifacts"):
        if path.suffix == ".lock" or ".partial" in path.parts:
            continue
        folder = next(parent for parent in path.parents if parent.parent.name == "artifacts")
        with damaged(path, fault):
            lines = made.use(folder.name)
        assert len(lines) == sum(folder.name in used for used in made.artifacts.values()), path
        for line in lines:
            assert line.startswith(f"{path} "), line
            assert f"; delete the folder {folder}, " in line
            assert "\n" not in line
    assert made.use() == []


@pytest.mark.parametrize("fault", FAULTS)
def test_damaged_caches_are_made_again(made, fault, capfd):
    before = {path: path.read_bytes() for path in files_of(made.outputs / "cache")}
    for path in before:
        if path.suffix == ".lock":
            continue
        capfd.readouterr()
        with damaged(path, fault):
            assert made.use() == []
            if "hashes" not in path.parts:
                (line,) = [line for line in capfd.readouterr().err.splitlines() if line.endswith(" are made again")]
                assert line.startswith(f"{path} ")
            assert path.read_bytes() == before[path]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", ["pretrain", "grpo"])
def test_a_killed_run_ends_with_the_same_bits_whatever_file_is_damaged(made, tiny, monkeypatch, tmp_path, kind, fault):
    if kind == "pretrain":
        overrides = [*tiny, *TRUNK, "stage.keep_states=[640,1920]", "stage.log_points=24", "compute.checkpoint_steps=4"]
        callback, step = TrainingCallback, 18
    else:
        student = prepare(made.configs["student"]).artifact().path
        overrides = [
            *SUMS,
            *GRPO,
            f"model.checkpoint={student}",
            "compute.checkpoint_steps=1",
            f"paths.outputs={tmp_path}/outputs",
        ]
        callback, step = PolicyCallback, 4
    whole = run_stage(composed(*overrides, f"paths.artifacts={tmp_path}/whole", "study=whole"), quiet=True)
    config = composed(*overrides)
    folder = killed(monkeypatch, config, callback, step)
    left = tmp_path / "left"
    shutil.copytree(folder, left)
    curve = [{**row, "seconds": 0} for row in whole.artifact.history()]
    for path in files_of(left):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(left, folder)
        FAULTS[fault](folder / path.relative_to(left))
        result = run_stage(config, quiet=True)
        assert result.artifact.sha256() == whole.artifact.sha256(), path
        assert [{**row, "seconds": 0} for row in result.artifact.history()] == curve, path
        for state in result.artifact.path.glob("kept/*/*.safetensors"):
            assert state.read_bytes() == (whole.artifact.path / state.relative_to(result.artifact.path)).read_bytes(), path
        shutil.rmtree(result.artifact.path)
