"""Options of every stage, and what each takes and makes, so that a plan of runs imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from omegaconf import MISSING

from openr1.engines.options import Sampling
from openr1.rl.options import EvalOptions, GroupOptions, LossOptions, VllmOptions
from openr1.training.options import LoraOptions


@dataclass
class StageConfig:
    """``stage=``: what is done. ``kind`` selects the subclass below."""

    kind: str = MISSING
    kinds: ClassVar[dict[str, type[StageConfig]]]
    trains: ClassVar[bool] = False  # it has a budget, and data to train on
    multiprocess: ClassVar[bool] = False  # it can run on several processes
    rollouts: ClassVar[bool] = False  # what it trains on are its own answers to problems
    makes: ClassVar[str] = ""  # content of the artifact: model, answers, examples or scores

    if TYPE_CHECKING:  # options of the subclass that ``kind`` selects

        def __getattr__(self, name: str) -> Any: ...


@dataclass
class PretrainStage(StageConfig):
    """Next-token prediction on packed text, from scratch or continued from a checkpoint."""

    kind: str = "pretrain"
    eval_points: int = 5  # evaluations over the run, evenly spaced; the last is at the end
    log_points: int = 50  # points of the training curve
    eval_every_tokens: float | None = None  # further evaluations, at multiples of it: where trials of a sweep are compared
    keep_states: list[float] = field(default_factory=list)  # tokens after which the state is kept, for others to go on from
    trunk: str | None = None  # the artifact of a run that kept its state, to go on from; in a recipe @STEP
    trains: ClassVar[bool] = True
    multiprocess: ClassVar[bool] = True
    makes: ClassVar[str] = "model"


@dataclass
class SftStage(StageConfig):
    """Supervised fine-tuning on prompts and completions; the loss is on the completion only."""

    kind: str = "sft"
    eval_points: int = 5
    log_points: int = 50
    eval_every_tokens: float | None = None
    packing: bool = False  # examples side by side in rows of data.context tokens, where they cannot see each other
    lora: LoraOptions = field(default_factory=LoraOptions)  # the model that is saved has them merged, and they lie beside it
    trains: ClassVar[bool] = True
    multiprocess: ClassVar[bool] = True
    makes: ClassVar[str] = "model"


@dataclass
class AskStage(StageConfig):
    """What a stage that asks a model has: how many problems and answers, and how they are drawn."""

    samples: int = 1  # answers a problem
    problems: int | None = None  # at most so many of each source, the first; null for all
    sampling: Sampling = field(default_factory=lambda: Sampling(temperature=0.6, top_p=0.95))
    shard: int = 64  # problems whose answers are kept in one file
    max_failed: float = 0.0  # share of the problems that may come to nothing


@dataclass
class GenerateStage(AskStage):
    """A teacher answers problems of the training side."""

    kind: str = "generate"
    max_failed: float = 0.5
    teacher: str = "model"  # model, of the engine; or oracle, the traces that the tasks' own generators write
    makes: ClassVar[str] = "answers"


@dataclass
class EvaluateStage(AskStage):
    """A model answers held-out problems, and its answers are verified; or answers that are there are verified again."""

    kind: str = "evaluate"
    samples: int = 4
    answers: str | None = None  # an artifact of answers that are verified again, by name or directory; no model is asked
    makes: ClassVar[str] = "scores"


@dataclass
class CurateStage(StageConfig):
    """Answers are verified, filtered and selected; what is left is a data set to train on."""

    kind: str = "curate"
    inputs: list[str] = field(default_factory=list)  # artifacts of answers, by name or directory
    steps: dict[str, Any] = field(default_factory=dict)  # in order; their options are in openr1.curation.options
    makes: ClassVar[str] = "examples"


@dataclass
class RejectStage(AskStage):
    """Rejection sampling: the policy answers problems of the training side, and what passes curation is kept."""

    kind: str = "reject"
    samples: int = 4
    sampling: Sampling = field(default_factory=Sampling)
    steps: dict[str, Any] = field(default_factory=dict)  # of curation, in order; options in openr1.curation.options
    makes: ClassVar[str] = "examples"


@dataclass
class GrpoStage(StageConfig):
    """Reinforcement learning from verified answers (GRPO, arXiv 2402.03300): better answers of a group get likelier.

    A rollout is of ``prompts`` problems with ``samples`` answers each. A step is one of the optimiser; the answers of a rollout
    are learned from in ``updates`` steps, ``passes`` times.
    """

    kind: str = "grpo"
    prompts: int = 32  # problems of a rollout; R1-Zero has 32 with 16 answers each
    samples: int = 16  # answers of a group
    problems: int | None = None  # at most so many of each source, the first; null for all
    sampling: Sampling = field(default_factory=Sampling)
    updates: int = 1
    passes: int = 1
    loss: LossOptions = field(default_factory=LossOptions)
    groups: GroupOptions = field(default_factory=GroupOptions)
    eval: EvalOptions = field(default_factory=EvalOptions)
    vllm: VllmOptions = field(default_factory=VllmOptions)
    log_every: int = 1  # steps between two points of the curves
    eval_every_tokens: float | None = None  # further evaluations, at the first steps beyond multiples of so many tokens
    log_completions: int = 32  # answers of a rollout that a table in MLflow shows, at every evaluation; 0 for no table
    preflight: bool = True  # that the reward and the sampler are sound, before the first step
    trains: ClassVar[bool] = True
    rollouts: ClassVar[bool] = True
    makes: ClassVar[str] = "model"

    @property
    def evaluation(self) -> EvaluateStage:
        """The evaluation of the policy during training, with the sampling of its rollouts."""
        return EvaluateStage(samples=self.eval.samples, problems=self.eval.problems, sampling=self.sampling)


STAGES: dict[str, type[StageConfig]] = {
    stage.kind: stage for stage in (PretrainStage, SftStage, GenerateStage, CurateStage, EvaluateStage, RejectStage, GrpoStage)
}
StageConfig.kinds = STAGES
