"""Reinforcement learning from verified answers, with TRL's losses: of a group of answers, the better ones get likelier."""

from __future__ import annotations

import json
from dataclasses import replace

from openr1.data import problems
from openr1.data.tokenizer import load_checkpoint
from openr1.engines.generate import build_request
from openr1.evaluation.grading import Grader
from openr1.models.checkpoints import checkpoint_of
from openr1.rewards import Scorer
from openr1.rl import preflight
from openr1.rl.budget import Cost
from openr1.rl.callback import RlCurves
from openr1.rl.compute_ledger import ComputeLedger
from openr1.rl.evaluation import KEPT, PolicyEvaluation
from openr1.rl.generation import LivePolicyGenerator, VllmPolicyGenerator
from openr1.rl.rollouts import Rollouts
from openr1.rl.sampler import ProblemSampler
from openr1.rl.trainer import build
from openr1.training.callback import HISTORY
from openr1.training.context import StageContext
from openr1.training.trainer import fit, model_for


def run(context: StageContext) -> dict[str, float]:
    """Fill ``model/``.

    :raises ConfigError: for a reward from which nothing right can be learned.
    :raises RunError: where sampler and trainer disagree, and where training diverges.
    """
    config = context.config
    sources = problems.by_source(config.data, config.paths, limit=config.stage.problems)
    weights = {name: source.weight for name, source in config.data.sources.items()}
    # a copy, since TRL changes how it pads
    tokenizer = load_checkpoint.__wrapped__(checkpoint_of(config.model, config.scale), config.model.revision)
    model = model_for(context).to(config.compute.device)
    with Scorer(config.reward) as scorer, Grader(config.reward) as grader:
        vllm = config.engine.kind == "vllm"
        generator = VllmPolicyGenerator(config) if vllm else LivePolicyGenerator(model, config)
        if config.stage.preflight:
            samples = config.stage.samples
            preflight.check_rewards(
                scorer, sources, lambda problem: generator.ending(build_request(problem, config.data, samples, config.seed))
            )
        cost = Cost(config, context.budget.shape)
        rollouts = Rollouts(config, ProblemSampler(sources, weights, config.seed), generator, scorer, cost, ComputeLedger())
        trainer = build(context, model, tokenizer, rollouts)
        if vllm:
            generator.trainer = trainer
        trainer.rollouts, trainer.eval = rollouts, PolicyEvaluation(replace(config, stage=config.stage.evaluation), grader)
        curves = RlCurves(context, rollouts)
        metrics = fit(trainer, curves, tokenizer)
    return metrics | figures(context, rollouts)


def figures(context: StageContext, rollouts: Rollouts) -> dict[str, float]:
    """What the run came to, from its curves and accounts."""
    rows = [json.loads(line) for line in (context.folder / HISTORY).read_text().splitlines()]
    evaluations = [row for row in rows if "pass_at_1" in row]
    ledger = rollouts.ledger
    found = {name: rows[-1][name] for name in KEPT if name in rows[-1]}
    if evaluations:
        found["pass_at_1_start"] = evaluations[0]["pass_at_1"]
    found |= {name: value for row in rows for name, value in row.items() if name.startswith(("reward", "signal"))}
    passes = {"steps": rows[-1]["step"], "epochs": rollouts.sampler.passes}
    return found | ledger.row() | passes | {"flops_eval": ledger.flops_eval, "score_seconds": ledger.score_seconds}
