"""Reinforcement learning: seconds of a step and of its parts, sampler against trainer, and the pass rate."""

import importlib.util
import time
from statistics import median

from helpers.configs import composed

from openr1.rl import trainer as rl_trainer
from openr1.rl.rollouts import Rollouts
from openr1.runs.stage_run import run_stage

WARM = 1  # steps that are not counted
DIFFERENCE = 5e-2  # nats a token, in bfloat16; preflight refuses more
VLLM_SECONDS = 60.0  # vLLM takes about as long to start


class Times:
    """Seconds of each rollout with its scoring, of its scoring, and the differences of log-probabilities before training."""

    def __init__(self) -> None:
        self.rollouts: list[tuple[float, float]] = []
        self.differences: list[float] = []
        collect, check = Rollouts.collect_groups, rl_trainer.check_probabilities

        def timed(rollouts):
            start, scoring = time.perf_counter(), rollouts.ledger.score_seconds
            groups = collect(rollouts)
            self.rollouts.append((time.perf_counter() - start, rollouts.ledger.score_seconds - scoring))
            return groups

        def noted(*arguments):
            self.differences.append(check(*arguments))
            return self.differences[-1]

        Rollouts.collect_groups, rl_trainer.check_probabilities = timed, noted


def run(setting, figures) -> None:
    common = ["data=sums", f"paths.outputs={figures.folder}/grpo", f"paths.cache={figures.folder}/cache"]
    base = run_stage(
        composed(*common, f"scale={setting.policy}", "stage=sft", "stage.eval_points=1", *setting.base), quiet=True
    )
    words = [
        *common,
        "stage=grpo",
        "reward=r1_zero",
        "optim=rl",
        f"model.checkpoint={base.artifact.model}",
        "stage.log_every=1",
    ]
    times = Times()
    with figures.attempt("engine of the project"):
        measure(composed(*words, *setting.grpo), f"{setting.policy}, engine of the project", times, figures)
    if setting.device == "cpu" or importlib.util.find_spec("vllm") is None:
        why = "it cannot take new weights on a processor" if setting.device == "cpu" else "it is not installed (the extra vllm)"
        figures.add(f"{setting.policy}, vLLM in the process of the trainer", None, note=f"left out: {why}")
    elif figures.seconds_left < VLLM_SECONDS:
        figures.add(f"{setting.policy}, vLLM in the process of the trainer", None, note="left out: the time is over")
    else:
        with figures.attempt("vLLM in the process of the trainer"):
            config = composed(*words, *setting.grpo, "engine=vllm", "engine.gpu_memory=0.3", "engine.context=256")
            measure(config, f"{setting.policy}, vLLM in the process of the trainer", times, figures)


def measure(config, name: str, times: Times, figures) -> None:
    times.rollouts.clear()
    times.differences.clear()
    artifact = run_stage(config, quiet=True).artifact
    rows = [row for row in artifact.history() if "policy_loss" in row]
    ends = [row["seconds"] for row in rows]
    steps = [after - before for before, after in zip(ends[WARM - 1 :], ends[WARM:], strict=False)]
    parts = list(zip(steps, times.rollouts[WARM:], strict=True))
    answers = config.stage.prompts * config.stage.samples
    tokens = median(row["rollout_response_tokens"] for row in rows)
    figures.add(f"{name}: a step", median(steps), "s", note=f"{answers} answers of {tokens:.0f} tokens")
    figures.add(f"{name}: rollouts", median(rollout - scoring for _, (rollout, scoring) in parts), "s")
    figures.add(f"{name}: scoring", median(scoring for _, (_, scoring) in parts), "s")
    figures.add(
        f"{name}: updates", median(step - rollout for step, (rollout, _) in parts), "s", note="and what is between them"
    )
    differences = [row["sampler_difference"] for row in rows if "sampler_difference" in row]
    if times.differences or differences:
        value, when = (median(differences), "over all steps") if differences else (times.differences[0], "before training")
        figures.add(f"{name}: sampler and trainer differ by", value, "nats a token", at_most=DIFFERENCE, note=when)
    before, after = artifact.metrics["pass_at_1_start"], artifact.metrics["pass_at_1"]
    figures.add(f"{name}: pass rate gained", after - before, at_least=0.01, note=f"from {before:.3f} to {after:.3f}")
    figures.add(f"{name}: peak memory", artifact.metrics["peak_memory_bytes"] / 2**30, "GiB")
