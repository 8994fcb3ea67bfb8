import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.cli import command

HEAVY = ("torch", "transformers", "trl", "mlflow", "datasets", "tokenizers", "pandas", "matplotlib", "scipy", "joblib")
HEAVY += ("pyarrow", "peft", "openai", "math_verify", "reasoning_gym", "vllm")
COMMAND = Path(sys.executable).parent / "openr1"


def openr1(*arguments, cwd, **env):
    run = [str(COMMAND), *map(str, arguments)]
    return subprocess.run(run, cwd=cwd, capture_output=True, text=True, env={**os.environ, **env}, check=False)


def imported(arguments, cwd):
    """The heavy packages that a command imports."""
    code = (
        f"import sys; sys.argv = {['openr1', *arguments]!r}; from openr1.cli import main\ntry: main()\nexcept SystemExit: pass"
    )
    code += f"\nprint('imported', [name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=False)
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize("arguments", [["--help"], ["--cfg", "job", "--resolve"], ["--info", "defaults-tree"]])
def test_composing_a_config_imports_nothing_heavy(arguments, tmp_path):
    assert imported(arguments, tmp_path) == "imported []"
    assert not list(tmp_path.iterdir())


def test_help_lists_groups_and_choices_and_no_schema(tmp_path):
    text = openr1("--help", cwd=tmp_path).stdout
    assert "model: deepseek_v3, gemma3, llama, qwen2, qwen3" in text
    assert "stage: curate, curate_open_r1, evaluate, generate, grpo, pretrain, reject, reward_model, sft, sft_lora" in text
    assert "PretrainStage" not in text


def test_shell_completion_completes_groups_and_choices(tmp_path):
    done = openr1("-sc", "query=bash", cwd=tmp_path, COMP_LINE="openr1 model=qw", COMP_POINT="15")
    assert done.stdout.split() == ["model=qwen2", "model=qwen3"]


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("optim.foo=1", "openr1: optim.foo: no such key; there are kind, muon, parametrization, base, lr, lr_rule"),
        ("model=qwen9", "openr1: model=qwen9: is not one of deepseek_v3, gemma3"),
        ("optim.lr=fast", "openr1: optim.lr: Value 'fast' of type 'str' could not be converted to Float"),
        ("scale.width=65", "openr1: scale.width: 65 is not a multiple of scale.heads=2"),
        ("budget.tokens=10", "openr1: budget.tokens: 10 is 10 tokens, below one step of 512 tokens"),
        ("model.checkpoint=/nowhere", "openr1: model.checkpoint: '/nowhere' is neither a directory"),
        ("+reward.terms.accuracy.options.foo=1", "openr1: reward.terms.accuracy.options.foo: no such key"),
        ("scale=9", "openr1: scale: 9 is not the name of a choice; --help lists them"),
        ("compute=[1]", "openr1: compute: [1] is not the name of a choice; --help lists them"),
        ("seed=1 scale=100k budget=3", "openr1: budget: 3 is not the name of a choice; --help lists them"),
        ("scale=30k compute=null", "openr1: compute: null is not the name of a choice"),
        (
            "+reward.by_task.sums=3",
            "openr1: reward.by_task.sums: holds several entries; add one as +reward.by_task.sums.NAME=VALUE",
        ),
        ("+data.sources.x={kind:sums}", "openr1: data.sources: an entry is added whole, as '+data.sources={x:{KEY:VALUE}}'"),
        ("+data.sources.x.weight=2", "openr1: data.sources: an entry is added whole, as '+data.sources={x:{KEY:VALUE}}'"),
        ("+reward.terms.x.a.b=1", "openr1: reward.terms: an entry is added whole, as '+reward.terms={x:{KEY:VALUE}}'"),
        (
            "recipe.steps.base.seed=1",
            "openr1: recipe.steps.base.seed: recipe is null and has no keys; choose a config for it with recipe=NAME",
        ),
        ("++recipe.name=x", "openr1: recipe.name: recipe is null and has no keys; choose a config for it with recipe=NAME"),
        (
            "-m sweep=isoflop sweep.budgets=[1e10] sweep.budgets.x=1",
            "openr1: sweep.budgets.x: sweep.budgets is a list; write it whole",
        ),
        (
            "-m sweep=isoflop sweep.budgets=[1e10] sweep.budgets.3=1",
            "openr1: sweep.budgets[3]: there is no such place in the list; write it whole, as sweep.budgets=[…]",
        ),
        ("stage=sft data=sums model.checkpoint=./x", "openr1: model.checkpoint: './x' is neither a directory"),
        (
            "stage=evaluate data=sums model.checkpoint=.",
            "openr1: model.checkpoint: '.' is neither a directory with a config.json",
        ),
        ("stage=evaluate data=sums model.checkpoint=a/b/c", "openr1: model.checkpoint: 'a/b/c' is neither a directory"),
        ("recipe={steps:1}", "openr1: recipe: recipe is null and has no keys; choose a config for it with recipe=NAME"),
        (
            "optim.base={width:8}",
            "openr1: optim.base: optim.base is null and has no keys; choose a config for it with GROUP@optim.base",
        ),
        ("stage=curate stage.steps={exact_dedupe:1}", "openr1: stage.steps.exact_dedupe: holds several options; set one as"),
        ("-m sweep=isoflop sweep.budgets={a:1}", "openr1: sweep.budgets: is a list; write sweep.budgets=[…]"),
        (
            "-m sweep=search optim.lr=interval(1e-3,1e-2) sweep.sampler_options={n_startup_trials:-1}",
            "openr1: sweep.sampler_options.n_startup_trials: must be at least 0, not -1",
        ),
        ("sweep=grid", "openr1: sweep=grid: chooses the runs of a study; add -m to make them"),
    ],
)
def test_a_wrong_config_is_one_line_and_status_2(override, line, tmp_path):
    done = openr1(*override.split(), "hydra.run.dir=run", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(line)
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
    assert not (tmp_path / "outputs").exists()


@pytest.mark.integration
def test_one_run_reruns_from_the_folder_of_hydra_and_from_its_run_id(tiny, tmp_path):
    first = command("openr1", *tiny, "hydra.run.dir=first", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "eval_loss" in first.stdout
    again = command("openr1", "-cp", "first/.hydra", "-cn", "config", "hydra.run.dir=second", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "Nothing was trained" in again.stdout

    run_id = next(line.split()[2] for line in first.stdout.splitlines() if line.startswith("tracked"))
    outputs = ["--outputs", f"{tmp_path}/outputs"]
    same = command("openr1-reproduce", "first", *outputs, cwd=tmp_path)
    assert "figures are the same to the bit, and so are the weights" in same.stdout, same.stderr
    assert "12 of 12" in same.stderr  # it was trained again
    reproduce = ["openr1-reproduce", run_id, *outputs]
    other = command(*reproduce, "seed=7", "scale=50k", cwd=tmp_path)
    assert "override  scale.name: 30k -> 50k" in other.stdout, other.stderr
    assert "this is no failure" in other.stdout
    assert other.returncode == 0
    bare = command("openr1-reproduce", cwd=tmp_path)
    assert (bare.returncode, len(bare.stderr.splitlines())) == (2, 1)
    wrong = command(*reproduce, "optim.momentum=1", cwd=tmp_path)
    assert wrong.returncode == 2
    assert wrong.stderr.splitlines() == [line for line in wrong.stderr.splitlines() if "optim.momentum" in line]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("study: x\n\tseed: 1\n", "line 2: is not YAML that can be read: "),
        ("study: !!python/object:os.system x\n", "line 1: is not YAML that can be read: "),
        ('study: "x\n', "is not YAML that can be read: "),
    ],
)
def test_a_config_that_is_no_yaml_is_one_line_that_names_its_place(text, line, tmp_path):
    path = tmp_path / "conf" / "experiment" / "wrong.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    done = command("openr1", "--config-dir", tmp_path / "conf", "experiment=wrong", cwd=tmp_path)
    assert done.returncode == 2
    assert line in done.stderr
    assert done.stderr.startswith(f"openr1: {path}, line ")
    assert len(done.stderr.splitlines()) == 1
