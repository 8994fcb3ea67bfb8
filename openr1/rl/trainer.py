"""TRL's GRPOTrainer under this project's rollouts, rewards and evaluations."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import datasets
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import GRPOConfig, GRPOTrainer

from openr1.config.schema import Config
from openr1.rl.completions_table import rows
from openr1.rl.evaluation import PolicyEvaluation, PolicyScores
from openr1.rl.preflight import check_probabilities, report
from openr1.rl.rollouts import Rollouts, field
from openr1.training.context import StageContext
from openr1.training.trainer import arguments


class PolicyTrainer(GRPOTrainer):
    """``evaluate`` is an evaluation on the held-out problems; a table in MLflow shows what was written last."""

    context: StageContext
    evaluation: PolicyEvaluation
    rollouts: Rollouts
    eval_seconds = 0.0

    def look(self) -> dict[str, float]:
        """What the policy can do before the first step; where ``stage.preflight`` says so, whether it can learn at all.

        :raises RunError: where sampler and trainer disagree.
        """
        with self._timed():
            scores = self._evaluated()
            if not self.context.config.stage.preflight:
                return dict(scores.metrics)
            groups, sampling = self.rollouts.probe(), self.context.config.stage.sampling
            difference = None
            if not self.use_vllm or (sampling.temperature, sampling.top_p, sampling.top_k) == (1.0, 1.0, None):
                written, pad = [group.written for group in groups], self.processing_class.pad_token_id
                difference = check_probabilities(self.model, written, pad, self.args.bf16)
            return scores.metrics | report(scores, groups, difference)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        with self._timed():
            metrics = self._evaluated().metrics
        self.log(dict(metrics))
        shown, step = self.context.config.stage.log_completions, self.state.global_step
        if shown:
            self.context.run.log_table(rows(self.rollouts.groups, step)[:shown], f"completions/{step:06}.json", step)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _evaluated(self) -> PolicyScores:
        scores = self.eval(self.rollouts.generator)
        self.rollouts.ledger.evaluate(scores.lengths, self.rollouts.cost)
        return scores

    @contextmanager
    def _timed(self) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.eval_seconds += time.perf_counter() - start


def build(
    context: StageContext, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rollouts: Rollouts
) -> PolicyTrainer:
    """The trainer of a run."""
    config, stage = context.config, context.config.stage
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # rollout_func may change; the lock file holds the version of TRL
    terms = config.reward.terms
    # the rollouts decide which problems there are: rows are there to be counted
    counted = datasets.Dataset.from_dict({"prompt": [""] * stage.prompts * 64})
    return PolicyTrainer(
        model=model,
        reward_funcs=[_given(name) for name in terms],
        args=GRPOConfig(**options(context), reward_weights=[term.weight for term in terms.values()]),
        train_dataset=counted,
        processing_class=tokenizer,
        rollout_func=rollouts,
    )


def _given(term: str) -> Callable[..., list[float | None]]:
    """A reward function of TRL that hands on what the scorer gave."""

    def values(**columns: Any) -> list[float | None]:
        return columns[field(term)]

    values.__name__ = term
    return values


def options(context: StageContext) -> dict[str, Any]:
    """Keyword arguments of ``GRPOConfig``, but for those of the rewards."""
    config, stage, budget = context.config, context.config.stage, context.budget
    loss, sampling, shared = stage.loss, stage.sampling, arguments(context)
    return shared | {
        "max_steps": budget.max_steps,
        "ignore_data_skip": True,  # the deck knows its place
        "num_generations": stage.samples,
        "steps_per_generation": shared["gradient_accumulation_steps"] * stage.updates,
        "num_iterations": stage.passes,
        "max_completion_length": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k or 0,
        "loss_type": loss.type,
        "importance_sampling_level": loss.importance,
        "epsilon": loss.epsilon,
        "epsilon_high": loss.epsilon_high,
        "delta": loss.delta,
        "beta": loss.beta,
        "scale_rewards": loss.scale_rewards,
        "multi_objective_aggregation": loss.aggregation,
        "mask_truncated_completions": loss.mask_truncated,
        "top_entropy_quantile": loss.top_entropy,
        "entropy_coef": loss.entropy_coef,
        "disable_dropout": True,
        # of the reference, which TRL loads from where the policy was loaded from
        "model_init_kwargs": {"revision": config.model.revision} if config.model.revision else None,
        **_vllm(config),
    }


def _vllm(config: Config) -> dict[str, Any]:
    stage, engine = config.stage.vllm, config.engine
    if engine.kind != "vllm":
        return {"use_vllm": False}
    found = {
        "use_vllm": True,
        "vllm_mode": "server" if stage.server else "colocate",
        "vllm_importance_sampling_correction": stage.correction is not None,
        "vllm_importance_sampling_mode": stage.correction or "sequence_mask",
    }
    if stage.server:
        return found | {"vllm_server_base_url": stage.server}
    return found | {
        "vllm_gpu_memory_utilization": engine.gpu_memory,
        "vllm_tensor_parallel_size": engine.tensor_parallel,
        "vllm_max_model_length": engine.context,
        "vllm_enable_sleep_mode": stage.sleep,
    }
