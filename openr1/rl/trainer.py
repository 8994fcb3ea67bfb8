"""TRL's GRPOTrainer with this project's rollouts, rewards and evaluations."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import datasets
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import GRPOConfig

from openr1.distributed.devices import wait_for_device
from openr1.engines.options import VllmEngine
from openr1.rl.completions_table import completion_rows
from openr1.rl.evaluation import PolicyEvaluation, PolicyScores
from openr1.rl.policy_loss import PolicyLossTrainer
from openr1.rl.preflight import PROBABILITY_ANSWERS, check_probabilities, report_signal
from openr1.rl.rollouts import Rollouts, reward_column
from openr1.training.context import StageContext
from openr1.training.trainer import limit_to_one_device, training_arguments

if TYPE_CHECKING:
    from openr1.config.schema import Config


class PolicyTrainer(PolicyLossTrainer):
    """Trainer of a policy. ``evaluate`` asks the held-out problems, and logs the last rollout as a table in MLflow."""

    context: StageContext
    control: Any
    evaluation: PolicyEvaluation
    rollouts: Rollouts
    eval_seconds = 0.0

    def evaluate_before_training(self) -> dict[str, float]:
        """Evaluate the policy before the first step and, with ``stage.preflight``, check that it can learn.

        :raises RunError: if sampler and trainer disagree.
        """
        with self._evaluation_time(), self.whole_weights():
            scores = self._score_policy()
            if not self.context.config.stage.preflight:
                return dict(scores.metrics)
            groups = self.rollouts.probe()
            found = self.compare_replies([group.reply for group in groups], PROBABILITY_ANSWERS)
            difference = check_probabilities(found, self.args.bf16)
            return scores.metrics | report_signal(scores, groups, difference)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Evaluate the policy, log the metrics, and call the callbacks, as ``Trainer.evaluate`` does."""
        with self._evaluation_time(), self.whole_weights():
            metrics = self._score_policy().metrics
        self.log(dict(metrics))
        limit, step = self.context.config.stage.log_completions, self.state.global_step
        if limit:
            rows = completion_rows(self.rollouts.groups, step, self.args.scale_rewards)[:limit]
            self.context.run.log_table(rows, f"completions/{step:06}.json", step)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _score_policy(self) -> PolicyScores:
        scores = self.evaluation(self.rollouts.generator)
        self.rollouts.ledger.add_evaluation(scores.lengths, self.rollouts.flops)
        self.rollouts.ledger.flops_eval += scores.flops
        return scores

    @contextmanager
    def _evaluation_time(self) -> Iterator[None]:
        wait_for_device(self.context.config.compute.device)  # the updates before are no part of the evaluation
        start = time.perf_counter()
        yield
        self.eval_seconds += time.perf_counter() - start


def build_trainer(
    context: StageContext, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rollouts: Rollouts
) -> PolicyTrainer:
    """Build the trainer of a run."""
    config, stage = context.config, context.config.stage
    os.environ.setdefault(
        "TRL_EXPERIMENTAL_SILENCE", "1"
    )  # rollout_func is experimental; the lock file fixes the version of TRL
    terms = config.reward.terms
    # by task, the values that the rollouts pass on have their weights already
    weights = [1.0 if config.reward.by_task else term.weight for term in terms.values()]
    # TRL only counts these rows, since the rollouts draw the problems themselves
    placeholder = datasets.Dataset.from_dict({"prompt": [""] * stage.prompts * 64})
    trainer = PolicyTrainer(
        model=model,
        reward_funcs=[_reward_function(name) for name in terms],
        args=limit_to_one_device(GRPOConfig(**grpo_arguments(context), reward_weights=weights)),
        train_dataset=placeholder,
        processing_class=tokenizer,
        rollout_func=rollouts,
    )
    trainer.tis_cap = stage.loss.tis_cap
    return trainer


def _reward_function(term: str) -> Callable[..., list[float | None]]:
    """Return a reward function for TRL that passes on the values of the scorer."""

    def values(**columns: Any) -> list[float | None]:
        return columns[reward_column(term)]

    values.__name__ = term
    return values


def grpo_arguments(context: StageContext) -> dict[str, Any]:
    """Return the keyword arguments of ``GRPOConfig`` except those of the rewards."""
    config, stage, budget = context.config, context.config.stage, context.budget
    loss, sampling, shared = stage.loss, stage.sampling, training_arguments(context)
    return shared | {
        "max_steps": budget.max_steps,
        "ignore_data_skip": True,  # the sampler resumes by itself
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
        # for the reference model, which TRL loads from the checkpoint of the policy
        "model_init_kwargs": {"revision": config.model.revision} if config.model.revision else None,
        **_vllm_arguments(config),
    }


def _vllm_arguments(config: Config) -> dict[str, Any]:
    options, engine = config.stage.vllm, config.engine
    if not isinstance(engine, VllmEngine):
        return {"use_vllm": False}
    arguments = {
        "use_vllm": True,
        "vllm_mode": "server" if options.server else "colocate",
        "vllm_importance_sampling_correction": options.correction is not None,
        "vllm_importance_sampling_mode": options.correction or "sequence_mask",
    }
    if options.server:
        return arguments | {"vllm_server_base_url": options.server}
    return arguments | {
        "vllm_gpu_memory_utilization": engine.gpu_memory,
        "vllm_tensor_parallel_size": engine.tensor_parallel,
        "vllm_max_model_length": engine.context,
        "vllm_enable_sleep_mode": options.sleep,
    }
