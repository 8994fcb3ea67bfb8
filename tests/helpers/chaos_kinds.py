"""Each kind of command, as small as its moments can be told apart."""

from pathlib import Path

from helpers.chaos import Kind
from helpers.configs import tiny_run

SUMS = ["data=sums", "data.sources.sums.problems=300", "data.eval_fraction=0.2", "data.tokenizer.vocab_size=258", "scale=30k"]
GRPO = ["stage.prompts=2", "stage.samples=4", "stage.sampling.max_tokens=12", "budget.steps=12", "stage.eval.every=4"]
GRPO += ["stage.eval.problems=4", "stage.eval.samples=2", "compute.checkpoint_steps=3"]
ASKED = ["stage.samples=2", "stage.problems=30", "stage.sampling.max_tokens=12"]
PAIR = ["hydra.launcher.n_jobs=2", "sweep.calibrate=false"]


def kinds(text_file: Path, url: str) -> dict[str, Kind]:
    """Return the kinds of commands by name.

    :param url: a server that adds up.
    """
    text = [word for word in tiny_run(text_file, Path()) if not word.startswith("paths")]
    run = [*text, "budget.steps=600", "compute.checkpoint_steps=50"]
    short = [*text, "budget.steps=200", "compute.checkpoint_steps=50"]
    student = [*SUMS, "stage=sft", "budget.steps=20"]
    taught = "model.checkpoint=@sft"
    policy = [f"recipe.steps.zero.{word}" for word in GRPO if not word.startswith("compute")]
    recipe = [
        *SUMS,
        "budget.steps=30",
        *[f"recipe.steps.eval_{step}.{word}" for step in ("base", "zero") for word in ASKED[:2]],
    ]
    answers = [*SUMS, "stage=generate", "stage.samples=2"]
    oracle = [*answers[:-1], "stage.teacher=oracle"]
    asked = [*answers, "engine=openai", "engine.model=sums", "engine.api_key_env=null", f"engine.base_url={url}"]
    asked += ["engine.concurrency=4", "engine.backoff=0.05", "engine.retries=30"]
    study = ["-m", *short, "budget.steps=60,120,240", "compute.checkpoint_steps=20", "study=several", *PAIR]
    search = ["-m", "sweep=search", *short, "sweep.sampler=grid", "optim.lr=choice(0.001,0.003,0.01,0.02)", "sweep.n_trials=4"]
    unsized = [word for word in short if not word.startswith(("scale", "budget"))]
    trunk = ["-m", "sweep=trunk", *unsized, "sweep.scales=[30k,50k]", "sweep.tokens=[8e3,16e3]", "study=trunk", *PAIR]
    fit = ["law=power_law", "law.x=C", "runs.study=several", "bootstrap.resamples=200", "holdout.largest_budgets=0"]
    made = [
        Kind("run", ["openr1", *run]),
        Kind("run on two processes", ["openr1", *short, "compute=ddp"]),
        Kind("eight of a run at once", ["openr1", *short], at_once=8),
        Kind("sft", ["openr1", *SUMS, "stage=sft", "budget.steps=200", "compute.checkpoint_steps=20"]),
        Kind("grpo", ["openr1", *SUMS, taught, "stage=grpo", "optim=rl", *GRPO], [["openr1", *student]]),
        Kind("generate", ["openr1", *answers, taught, *ASKED[1:]], [["openr1", *student]]),
        Kind("generate from a server that fails", ["openr1", *asked]),
        Kind("curate", ["openr1", "stage=curate", "stage.inputs=[@generate]"], [["openr1", *oracle]]),
        Kind("evaluate", ["openr1", *SUMS, taught, "stage=evaluate", *ASKED], [["openr1", *student]]),
        Kind("recipe r1_zero", ["openr1", "recipe=r1_zero", *recipe, *policy, "compute.checkpoint_steps=3"]),
        Kind("recipe r1_distill", ["openr1", "recipe=r1_distill", *SUMS, "recipe.steps.eval.stage.problems=30"]),
        Kind("study", ["openr1", *study]),
        Kind("two of a study at once", ["openr1", *study], at_once=2),
        Kind("study with trunks", ["openr1", *trunk]),
        Kind("search", ["openr1", *search, "sweep.name=pair", *PAIR]),
        Kind("two of a search at once", ["openr1", *search, "sweep.name=pair", *PAIR], at_once=2),
        Kind("openr1-plan", ["openr1-plan", *study[1:-1]]),
        Kind("openr1-fit", ["openr1-fit", *fit], [["openr1", *study]]),
        Kind("openr1-reproduce", ["openr1-reproduce", "@run", "study=again", "seed=7"], [["openr1", *short]]),
    ]
    return {kind.name: kind for kind in made}
