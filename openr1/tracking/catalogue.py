"""Everything that a run writes to MLflow, by name: metrics, tags and files, each with its meaning.

In a name, ``*`` stands for what a run fills in: the number of samples, a task, a reward, a step. ``docs/tracked.md`` is written
from these tables, and tests hold what runs write to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

Table = Mapping[str, str]  # name -> meaning

SIZES: Table = {
    "params_total": "parameters",
    "params_active": "parameters that take part in the computation of a token",
    "params_non_embedding": "N: active parameters without embeddings",
    "params_trained": "parameters that training changes",
    "params_mtp": "parameters of the modules of multi-token prediction",
}
AMOUNTS: Table = {
    "tokens": "D: tokens that were trained on, repetitions included; in reinforcement learning those of answers",
    "unique_tokens": "U: distinct training tokens",
    "epochs": "passes over the data, or over the problems",
    "steps": "training steps",
    "flops": "C: training FLOPs, with attention, the head and active experts; of answers, those of generation",
    "flops_train": "FLOPs of updates",
    "flops_eval": "FLOPs of evaluations, which are not in `flops`",
    "flops_6nd": "the approximation 6ND",
    "flops_new": "of a branch: `flops` without those taken over from its trunk",
    "flops_teacher": "FLOPs that the teacher spent on the answers",
    "flops_rollout": "FLOPs of the policy's answers",
    "flops_score": "FLOPs of log-probabilities of the reference, or of the policy before several updates",
    "flops_reward": "FLOPs of reward models",
    "wall_seconds": "seconds of the work, without evaluations during training",
    "eval_seconds": "seconds of evaluations during training",
    "tokens_per_second": "tokens that were trained on, or generated, a second",
    "mfu": "model FLOPs utilisation: FLOPs a second over the peak of the device",
    "gpu_hours": "hours of GPUs: processes times hours",
    "peak_memory_bytes": "most memory of one process: allocated on a GPU, or of the whole process on a CPU",
}
LOSSES: Table = {
    "eval_loss": "held-out loss, nats a token; of a reward model, log-loss in nats a pair",
    "eval_bits_per_byte": "held-out loss in bits a byte of text",
    "mtp_loss": "mean training loss of the modules of multi-token prediction",
    "train_loss": "training loss since the last point, nats a token",
    "lr": "learning rate",
    "grad_norm": "norm of the gradient before it is clipped",
    "mean_token_accuracy": "share of training tokens that are predicted right",
}
SCORES: Table = {
    "pass_at_1": "share of answers that are right",
    "pass_at_1_low": "lower end of its 95 % interval",
    "pass_at_1_high": "upper end of its 95 % interval",
    "pass_at_1_start": "`pass_at_1` before the first step",
    "pass_at_*": "chance that one of k answers is right; with the name of a task, its `pass_at_1`",
    "maj_at_*": "chance that the most frequent of k answers is right",
    "best_of_gold_*": "mean gold reward of the answer that the reward prefers among n",
    "best_of_*": "chance that the answer that the reward prefers among n is right",
    "mean_score": "mean reward of the answers by `stage.best_of`",
    "gold": "mean of the reward that is wanted, and not learnt from",
    "format_rate": "share of completions that keep to the format",
    "reasoned_rate": "share of completions with thoughts before the answer",
    "finished_rate": "share of completions that ended by themselves, within the most tokens",
    "readability": "mean readability, from 0 to 1",
    "response_tokens": "mean tokens of a completion",
    "unjudged": "problems without a verdict, which are left out of all rates",
    "samples": "answers to each problem",
    "problems": "problems that were asked",
    "failed": "problems with fewer answers than were asked for",
    "answers": "answers",
    "prompt_tokens": "tokens of all prompts",
    "completion_tokens": "tokens of all completions",
    "draft_tokens": "tokens that speculative decoding drafted and verified",
    "acceptance_rate": "share of drafted tokens that the model draws itself",
}
PREFERENCES: Table = {
    "eval_accuracy": "share of held-out pairs whose better answer has the higher reward",
    "eval_accuracy_low": "lower end of its 95 % interval",
    "eval_accuracy_high": "upper end of its 95 % interval",
    "eval_pairs": "held-out pairs",
    "calibration_error": "expected calibration error of the predicted chances",
    "calibration_slope": "slope of the outcomes against differences of rewards; 1 is calibrated",
    "calibration_slope_low": "lower end of its 95 % interval",
    "calibration_slope_high": "upper end of its 95 % interval",
    "reward_mean": "mean reward of the held-out answers",
    "reward_std": "standard deviation of rewards: of held-out answers, or of the rewards of a rollout",
    "train_accuracy": "share of training pairs that are ordered right",
    "reward_difference": "mean difference of the rewards of a training pair",
}
CURATION: Table = {
    "rows_before": "answers before the first step of curation",
    "rows_after": "answers that are kept",
    "rows_kept": "share of answers that are kept",
    "problems_before": "problems before the first step",
    "problems_after": "problems with an answer that is kept",
    "tokens_before": "tokens of the answers before the first step, if known",
    "tokens_after": "tokens of the answers that are kept, if known",
}
POLICY: Table = {
    "reward": "mean reward of the answers since the last point",
    "reward_*": "mean of one term of the reward, before its weight",
    "signal_rate": "share of groups whose rewards differ",
    "policy_loss": "loss of the update",
    "entropy": "mean entropy of the next token, nats",
    "kl": "divergence from the policy at the start, of the loss, nats a token",
    "eval_kl": "divergence of an evaluation's answer from the policy at the start, nats",
    "clip_ratio": "share of tokens whose update is clipped",
    "sampler_difference": "mean difference of the log-probabilities of sampler and trainer before an update",
    "sampler_difference_max": "largest such difference",
    "sampler_kl": "divergence of the trainer from the sampler",
    "completions": "answers so far that the policy learnt from",
    "written": "answers so far, dropped groups included",
    "rollout_response_tokens": "mean tokens of a rollout's answer",
    "rollout_finished_rate": "share of a rollout's answers that ended by themselves",
    "rollout_reasoned_rate": "share of a rollout's answers with thoughts before the answer",
    "rollout_seconds": "seconds in which the policy answered",
    "score_seconds": "seconds of rewards",
    "update_seconds": "seconds of log-probabilities, gradients and the optimiser",
    "rollout_share": "share of the time of steps in which the policy answered",
    "score_share": "share of the time of steps for rewards",
    "update_share": "share of the time of steps for updates",
    "seconds_per_step_*": "seconds of a step, and of its rollout, rewards and update, since the last point",
}
STUDY: Table = {
    "best_*": "of a study's own run: the best value after each finished run",
    "runs_*": "number of runs by state; of a reproduction, `runs_compared` and `runs_the_same`",
    "flops_total": "FLOPs of all runs of the study",
    "figures_*": "of a reproduction: figures that were compared, and that differ",
    "fit.*": "parameters and held-out error of a fitted law, `fit.LAW.PARAMETER`",
    "forecast.*": "the forecast of a report, with the ends of its interval",
    "forecast_loss.*": "a registered forecast of the loss of a planned run, by its fingerprint",
    "forecast_pass_rate.*": "a registered forecast of the pass rate of a planned run, by its fingerprint",
}
FOR_THE_UI: Table = {
    "*_by_gflops": "the same curve at a step that counts FLOPs in units of 1e9, for MLflow's charts",
    "*_by_tokens": "the same curve at a step that counts tokens",
    "system/*": "use of processor, memory and GPU, with `tracking.system_metrics=true`",
}
METRICS: Mapping[str, Table] = {
    "Sizes": SIZES,
    "Amounts, FLOPs and time": AMOUNTS,
    "Losses and training": LOSSES,
    "Answers and scores": SCORES,
    "Preferences": PREFERENCES,
    "Curation": CURATION,
    "Reinforcement learning": POLICY,
    "Runs of studies": STUDY,
    "For the UI of MLflow": FOR_THE_UI,
}
TAGS: Table = {
    "study": "the study",
    "role": "`study`, `trial` (the run of a recipe) or `stage`",
    "stage": "the stage; `recipe` for the run of a recipe",
    "recipe": "the recipe",
    "trial": "the overrides that tell the trial from the others of its study",
    "step.*": "of a recipe: the run of each step",
    "family": "the architecture",
    "scale": "the size of the ladder",
    "data": "the mix of data",
    "seed": "the seed",
    "optimiser": "optimiser and parametrization",
    "status": "finished, failed, killed, pruned or running",
    "state": "`PRUNED` for a trial that a search ended early",
    "pruned": "why it was pruned",
    "failure": "why a run failed, in one line",
    "fingerprint": "hash of all that decides the result",
    "config_hash": "hash of the resolved config",
    "artifact": "the folder that the run makes",
    "parent_artifact": "the artifact that the run started from",
    "input.*": "fingerprint of an input",
    "model_sha256": "hash of the weights: equal for runs that are equal to the bit",
    "data_sha256": "hash of the data that a stage made",
    "reused": "True if the artifact existed already",
    "git_commit": "commit of the code, with `-dirty` if files differ from it",
    "hardware": "processors or GPUs",
    "host": "the machine",
    "process": "the process, by which a dead run is recognised",
    "command": "of a study: its command line",
    "shared.*": "of a study: what all runs have in common",
    "sweep": "of a trial of a search: the search",
    "sweep.*": "of a search: storage, sampler, objective, trials by state",
    "trial_number": "of a trial of a search: its number",
    "reproduces": "the run that this one makes again",
    "reproduced_by": "runs that make this one again",
    "reproduction": "outcome of the comparison: the same, differs, or overrides",
}
FILES: Table = {
    "config.yaml": "the resolved config, whole",
    "environment.json": "Python, packages, hardware, commit",
    "card.json": "of curation: rows before and after each step",
    "card.md": "the same as a page, with examples of what was dropped",
    "scores.json": "of an evaluation: all scores, by task and difficulty, with the sampling",
    "scores.md": "the same as a table",
    "best_of_n.csv": "of an evaluation with `stage.best_of`: the best of n beside pass@k",
    "preferences.json": "of a reward model: accuracy and calibration on held-out pairs",
    "preferences.md": "the same as a page",
    "stages.md": "of a recipe: the evaluations after each step",
    "answers.json": "of an evaluation: its first answers, as a table that the UI shows",
    "answers.parquet": "of an evaluation: all answers with their verdicts",
    "completions/*.json": "of GRPO: answers of a rollout with rewards, advantages and lengths",
    "plan.json": "of a study: its runs, or its search, and their price before they started",
    "failure.txt": "of a run that failed: the stack trace",
    "report/*": "of a study: the report and its figures",
}
ARTIFACT: Table = {
    "artifact.json": "the record, written last: inputs, metrics, and the size and hash of each other file",
    "run.json": "the study, the tracked run, the config and the environment that made it",
    "model/": "weights, config and tokenizer, for `from_pretrained`",
    "model/mtp/": "modules of multi-token prediction",
    "adapter/": "LoRA adapters, which are merged into the model too",
    "data/*.parquet": "answers of `stage=generate`, examples of curation, graded answers of an evaluation",
    "history.jsonl": "the curves of training, a line for each logged step",
    "kept/": "states of training that a trunk keeps for its branches",
}
STUDY_FOLDER: Table = {
    "plan.json": "the runs of the study, for `openr1-plan status`",
    "runs/*.json": "a record of each finished trial: config, figures, environment, commit",
    "report.html": "the report of `openr1-fit`, whole in one file",
    "fit.json": "the law that answers: parameters, intervals, predictions, warnings",
    "points.csv": "the runs as they were fitted",
    "figures/": "the figures as files",
    "trials.parquet": "of a search: a row for each trial",
    "optimization_results.yaml": "of a search: the best values, trials by state",
}


def is_known(name: str, table: Table) -> bool:
    """Tell whether a name is in a table, by itself or by a pattern."""
    return name in table or any(fnmatchcase(name, pattern) for pattern in table if "*" in pattern)


def is_metric(name: str) -> bool:
    """Tell whether a metric is in the catalogue; ``STEP.NAME`` of a recipe's run is known where ``NAME`` is."""
    return any(is_known(key, table) for key in (name, name.partition(".")[2]) for table in METRICS.values() if key)
