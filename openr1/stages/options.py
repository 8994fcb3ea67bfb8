"""Options of every stage, and the content that it makes. Light, so that a plan of runs imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from annotated_types import Ge, Gt, Le
from omegaconf import MISSING

from openr1.engines.options import Sampling
from openr1.options.ranges import Count, CountOrZero, OneOf, Share, Tokens
from openr1.rewards.options import ScoringTerm
from openr1.rl.options import EvalOptions, GroupOptions, LossOptions, VllmOptions
from openr1.training.options import LoraOptions

TEACHERS = ("model", "oracle")


@dataclass
class StageConfig:
    """``stage=``: options of one stage. ``kind`` selects the subclass below."""

    kind: str = MISSING
    kinds: ClassVar[dict[str, type[StageConfig]]]
    trains: ClassVar[bool] = False  # the stage has a budget, and data to train on
    multiprocess: ClassVar[bool] = False  # the stage can run on several processes, where it trains or asks a model
    rollouts: ClassVar[bool] = False  # the stage trains on its own answers to problems
    pairs: ClassVar[bool] = False  # the stage trains on preference pairs
    labels: ClassVar[int | None] = None  # numbers that its model gives in place of the logits of tokens; None for those
    makes: ClassVar[str] = ""  # content of its artifact: model, reward_model, answers, examples or scores

    @property
    def needs_model(self) -> bool:
        """True if the stage trains or asks a model."""
        return True

    if TYPE_CHECKING:  # options of the subclass that ``kind`` selects

        def __getattr__(self, name: str) -> Any: ...


@dataclass
class PretrainStage(StageConfig):
    """Next-token prediction on packed text, from scratch or continued from a checkpoint."""

    kind: str = "pretrain"
    eval_points: Count = 5  # evaluations, evenly spaced over the run; the last is at the end
    log_points: Count = 50  # points of the training curve
    eval_every_tokens: Tokens | None = None  # further evaluations at multiples of so many tokens, where a sweep compares trials
    keep_states: list[Tokens] = field(default_factory=list)  # tokens after which the state is kept for branches
    trunk: str | None = None  # artifact of a run that kept its state, to continue from; in a recipe @STEP
    trains: ClassVar[bool] = True
    multiprocess: ClassVar[bool] = True
    makes: ClassVar[str] = "model"


@dataclass
class SftStage(StageConfig):
    """Supervised fine-tuning on prompts and completions; the loss is on the completion only."""

    kind: str = "sft"
    eval_points: Count = 5
    log_points: Count = 50
    eval_every_tokens: Tokens | None = None
    packing: bool = False  # several examples in a row of data.context tokens, which do not attend to each other
    lora: LoraOptions = field(default_factory=LoraOptions)  # merged into the saved model, and saved beside it
    trains: ClassVar[bool] = True
    multiprocess: ClassVar[bool] = True
    makes: ClassVar[str] = "model"


@dataclass
class RewardModelStage(StageConfig):
    """A reward model is trained on preference pairs by the loss of Bradley and Terry, -log sigmoid(better - worse reward)."""

    kind: str = "reward_model"
    eval_points: Count = 5
    log_points: Count = 50
    eval_every_tokens: Tokens | None = None
    margin: bool = False  # demand of each pair the margin of the data: -log sigmoid(better - worse reward - margin)
    # coefficient of the mean of (better + worse reward)^2 in the loss, which centres rewards (arXiv 2312.09244); null for none
    centring: Annotated[float, Gt(0), Le(1e3)] | None = None
    trains: ClassVar[bool] = True
    multiprocess: ClassVar[bool] = True
    pairs: ClassVar[bool] = True
    labels: ClassVar[int | None] = 1
    makes: ClassVar[str] = "reward_model"


@dataclass
class AskStage(StageConfig):
    """Options of a stage that asks a model: the number of problems and answers, and the sampling."""

    samples: Count = 1  # answers to each problem
    problems: Count | None = None  # so many of each source, the first ones; null for all
    sampling: Sampling = field(default_factory=lambda: Sampling(temperature=0.6, top_p=0.95))
    shard: Count = 64  # problems whose answers are saved in one file
    max_failed: Share = 0.0  # share of the problems that may fail
    multiprocess: ClassVar[bool] = True


@dataclass
class GenerateStage(AskStage):
    """A teacher answers problems of the training side."""

    kind: str = "generate"
    max_failed: Share = 0.5
    teacher: Annotated[str, OneOf(TEACHERS)] = "model"  # model (of the engine), or oracle (the traces of the task generators)
    makes: ClassVar[str] = "answers"

    @property
    def needs_model(self) -> bool:
        return self.teacher == "model"


@dataclass
class EvaluateStage(AskStage):
    """A model answers held-out problems and its answers are verified, or earlier answers are verified again."""

    kind: str = "evaluate"
    samples: Count = 4
    answers: str | None = None  # artifact of answers to verify again, by name or directory; no model is asked
    best_of: ScoringTerm = field(default_factory=ScoringTerm)  # reward that chooses the best of n answers, beside pass@k
    gold: ScoringTerm = field(default_factory=ScoringTerm)  # reward that is wanted: gold, and best_of_gold_N with best_of
    makes: ClassVar[str] = "scores"

    @property
    def needs_model(self) -> bool:
        return not self.answers


@dataclass
class CurateStage(StageConfig):
    """Answers are verified, filtered and selected into a training set."""

    kind: str = "curate"
    inputs: list[str] = field(default_factory=list)  # artifacts of answers, by name or directory
    steps: dict[str, Any] = field(default_factory=dict)  # in order; options in openr1.curation.options
    makes: ClassVar[str] = "examples"

    @property
    def needs_model(self) -> bool:
        return False


@dataclass
class RejectStage(AskStage):
    """Rejection sampling: the policy answers problems of the training side, and answers that pass curation are kept."""

    kind: str = "reject"
    samples: Count = 4
    sampling: Sampling = field(default_factory=Sampling)
    steps: dict[str, Any] = field(default_factory=dict)  # curation steps in order; options in openr1.curation.options
    makes: ClassVar[str] = "examples"


@dataclass
class GrpoStage(StageConfig):
    """Reinforcement learning from verified answers (GRPO, arXiv 2402.03300): better answers of a group become more likely.

    A rollout has ``prompts`` problems with ``samples`` answers each. A step is an optimiser step; the policy learns from the
    answers of a rollout in ``updates`` steps, and ``passes`` times.
    """

    kind: str = "grpo"
    prompts: Count = 32  # problems of a rollout; R1-Zero uses 32 with 16 answers each
    samples: Annotated[int, Ge(2), Le(10**6)] = 16  # answers of a group
    problems: Count | None = None  # so many of each source, the first ones; null for all
    sampling: Sampling = field(default_factory=Sampling)
    updates: Count = 1
    passes: Count = 1
    loss: LossOptions = field(default_factory=LossOptions)
    groups: GroupOptions = field(default_factory=GroupOptions)
    eval: EvalOptions = field(default_factory=EvalOptions)
    vllm: VllmOptions = field(default_factory=VllmOptions)
    # reward that is wanted: evaluations measure it, as gold, and nothing learns from it
    gold: ScoringTerm = field(default_factory=ScoringTerm)
    measure_kl: bool = False  # evaluations measure the KL divergence from the policy at the start, as eval_kl in nats an answer
    log_every: Count = 1  # steps between two points of the curves
    eval_every_tokens: Tokens | None = None  # further evaluations, at the first step beyond each multiple of so many tokens
    log_completions: CountOrZero = 32  # answers in the table of a rollout that MLflow gets at every evaluation; 0 for no table
    preflight: bool = True  # check the rewards and the sampler before the first step
    trains: ClassVar[bool] = True
    multiprocess: ClassVar[bool] = True
    rollouts: ClassVar[bool] = True
    makes: ClassVar[str] = "model"

    @property
    def evaluation(self) -> EvaluateStage:
        """Return the options of the evaluation during training, which samples as the rollouts do."""
        return EvaluateStage(samples=self.eval.samples, problems=self.eval.problems, sampling=self.sampling, gold=self.gold)


STAGES: dict[str, type[StageConfig]] = {
    stage.kind: stage
    for stage in (
        PretrainStage,
        SftStage,
        GenerateStage,
        CurateStage,
        EvaluateStage,
        RejectStage,
        RewardModelStage,
        GrpoStage,
    )
}
StageConfig.kinds = STAGES
