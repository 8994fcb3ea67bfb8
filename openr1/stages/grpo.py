"""Reinforcement learning from verified answers, with TRL's losses: the better answers of a group become more likely."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from openr1.data import problems
from openr1.data.tasks.problem import Problem
from openr1.data.tokenizer import load_checkpoint
from openr1.distributed.devices import use_own_device
from openr1.engines.generate import build_request
from openr1.evaluation.grading import Grader
from openr1.models.checkpoints import checkpoint_of
from openr1.rewards import Scorer
from openr1.rewards.by_task import check_tasks
from openr1.rewards.rater import Rater
from openr1.rl import preflight
from openr1.rl.budget import AnswerFlops
from openr1.rl.callback import PolicyCallback
from openr1.rl.compute_ledger import ComputeLedger
from openr1.rl.divergence import StartDivergence
from openr1.rl.evaluation import EVAL_METRICS, PolicyEvaluation
from openr1.rl.generation import LivePolicyGenerator, PolicyGenerator, VllmPolicyGenerator
from openr1.rl.rollouts import Rollouts
from openr1.rl.sampler import ProblemSampler
from openr1.rl.sharing import workers_of_rank
from openr1.rl.trainer import build_trainer
from openr1.training.callback import HISTORY
from openr1.training.context import StageContext
from openr1.training.trainer import initial_model, train_and_save


def run(context: StageContext) -> dict[str, float]:
    """Fill ``model/``.

    :raises ConfigError: for rewards from which a policy would learn wrong answers.
    :raises RunError: if sampler and trainer disagree, or training diverges.
    """
    config = context.config
    use_own_device(config.compute.device)
    reward = replace(config.reward, workers=workers_of_rank(config.reward.workers))
    sources = problems.by_source(config.data, config.paths, limit=config.stage.problems)
    weights = {name: source.weight for name, source in config.data.sources.items()}
    # not the cached tokenizer, since TRL changes its padding side
    tokenizer = load_checkpoint.__wrapped__(checkpoint_of(config.model, config.scale), config.model.revision)
    check_tasks(reward, {name: [problem.task for problem in of_source] for name, of_source in sources.items()})
    source_of = {problem.id: name for name, of_source in sources.items() for problem in of_source}
    scorer = Scorer(reward, Path(config.paths.cache), source_of if reward.by_task else None)
    gold = config.stage.gold
    rated = Rater(gold, "stage.gold", reward, Path(config.paths.cache)) if gold.function else nullcontext()
    with scorer, Grader(reward) as grader, rated as rater:
        scorer.open_models()
        model = initial_model(context).to(config.compute.device)
        generator: PolicyGenerator
        generator = VllmPolicyGenerator(config) if config.engine.kind == "vllm" else LivePolicyGenerator(model, config)

        def ending(problem: Problem) -> str:
            return generator.prompt_ending(build_request(problem, config.data, config.stage.samples, config.seed))

        if config.stage.preflight:
            preflight.check_rewards(scorer, sources, ending)
        sampler, flops = ProblemSampler(sources, weights, config.seed), AnswerFlops(config, context.budget.shape)
        rollouts = Rollouts(config, sampler, generator, scorer, flops, ComputeLedger())
        divergence = None  # before the trainer, which replaces the forward pass of its model
        if config.stage.measure_kl:
            bfloat16 = config.compute.precision == "bfloat16"
            divergence = StartDivergence(model, context.budget.shape, tokenizer.pad_token_id, bfloat16)
        trainer = build_trainer(context, model, tokenizer, rollouts)
        if isinstance(generator, VllmPolicyGenerator):
            generator.trainer = trainer
        trainer.rollouts = rollouts
        trainer.evaluation = PolicyEvaluation(replace(config, stage=config.stage.evaluation), grader, divergence, rater)
        metrics = train_and_save(trainer, PolicyCallback(context, rollouts), tokenizer)
    return metrics | policy_metrics(context, rollouts)


def policy_metrics(context: StageContext, rollouts: Rollouts) -> dict[str, float]:
    """Return the metrics of a finished run, from its curves and its ledger."""
    rows = [json.loads(line) for line in (context.folder / HISTORY).read_text().splitlines()]
    evaluations = [row for row in rows if "pass_at_1" in row]
    ledger = rollouts.ledger
    metrics = {name: rows[-1][name] for name in EVAL_METRICS if name in rows[-1]}
    if evaluations:
        metrics["pass_at_1_start"] = evaluations[0]["pass_at_1"]
    metrics |= {name: value for row in rows for name, value in row.items() if name.startswith(("reward", "signal", "sampler"))}
    metrics |= {"steps": rows[-1]["step"], "epochs": rollouts.sampler.epochs}
    return metrics | ledger.row() | {"flops_eval": ledger.flops_eval} | ledger.time_metrics()
