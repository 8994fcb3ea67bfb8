"""Reinforcement learning from verified answers, with TRL's losses: of a group of answers, the better ones get likelier."""

from __future__ import annotations

import json

from openr1.data import problems
from openr1.data.tokenizer import load_checkpoint
from openr1.engines.generate import request
from openr1.evaluation.grading import Judge
from openr1.models.build import checkpoint_of
from openr1.rewards import Scorer
from openr1.rl import preflight
from openr1.rl.budget import Cost
from openr1.rl.callback import RlCurves
from openr1.rl.compute_ledger import Account
from openr1.rl.evaluation import KEPT, Exam
from openr1.rl.generation import LiveWriter, VllmWriter
from openr1.rl.rollouts import Rollouts
from openr1.rl.sampler import Deck
from openr1.rl.trainer import build
from openr1.training.callback import HISTORY
from openr1.training.context import Job
from openr1.training.trainer import fit, model_for


def run(job: Job) -> dict[str, float]:
    """Fill ``model/``.

    :raises ConfigError: for a reward from which nothing right can be learned.
    :raises RunError: where sampler and trainer disagree, and where training diverges.
    """
    config = job.config
    sources = problems.by_source(config)
    weights = {name: source.weight for name, source in config.data.sources.items()}
    # a copy, since TRL changes how it pads
    tokenizer = load_checkpoint.__wrapped__(checkpoint_of(config.model, config.scale), config.model.revision)
    model = model_for(job).to(config.compute.device)
    with Scorer(config.reward) as scorer, Judge(config.reward) as judge:
        vllm = config.engine.kind == "vllm"
        writer = VllmWriter(config) if vllm else LiveWriter(model, config)
        if config.stage.checks:
            preflight.check_rewards(scorer, sources, lambda problem: writer.ending(request(config, problem)))
        cost = Cost(config, job.budget.shape)
        rollouts = Rollouts(config, Deck(sources, weights, config.seed), writer, scorer, cost, Account())
        trainer = build(job, model, tokenizer, rollouts)
        if vllm:
            writer.trainer = trainer
        trainer.rollouts, trainer.exam = rollouts, Exam(config, judge)
        curves = RlCurves(job, rollouts)
        metrics = fit(trainer, curves, tokenizer)
    return metrics | figures(job, rollouts)


def figures(job: Job, rollouts: Rollouts) -> dict[str, float]:
    """What the run came to, from its curves and accounts."""
    rows = [json.loads(line) for line in (job.folder / HISTORY).read_text().splitlines()]
    exams = [row for row in rows if "pass_at_1" in row]
    account = rollouts.account
    found = {name: rows[-1][name] for name in KEPT if name in rows[-1]}
    if exams:
        found["pass_at_1_start"] = exams[0]["pass_at_1"]
    found |= {name: value for row in rows for name, value in row.items() if name.startswith(("reward", "signal"))}
    passes = {"steps": rows[-1]["step"], "epochs": rollouts.deck.passes}
    return found | account.row() | passes | {"flops_eval": account.flops_eval, "score_seconds": account.score_seconds}
