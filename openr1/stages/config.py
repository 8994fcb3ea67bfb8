"""Options of every stage, and what each takes and makes, so that a plan of runs imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from omegaconf import MISSING

from openr1.engines.config import Sampling


@dataclass
class StageConfig:
    """``stage=``: what is done. ``kind`` selects the subclass below."""

    kind: str = MISSING
    trains: ClassVar[bool] = False  # it has a budget, and data to train on
    makes: ClassVar[str] = ""  # what is in its artifact: a model, answers, examples or scores


@dataclass
class PretrainStage(StageConfig):
    """Next-token prediction on packed text, from scratch or continued from a checkpoint."""

    kind: str = "pretrain"
    evals: int = 5  # evaluations over the run, evenly spaced; the last is at the end
    logs: int = 50  # points of the training curve
    eval_every_tokens: float | None = None  # further evaluations, at multiples of it: where trials of a sweep are compared
    trains: ClassVar[bool] = True
    makes: ClassVar[str] = "model"


@dataclass
class LoraOptions:
    """Low-rank adapters (arXiv 2106.09685) beside every linear layer of the blocks, in place of the weights."""

    rank: int | None = None  # null to train the weights themselves
    alpha: float = 32.0  # the adapters count alpha / rank times
    dropout: float = 0.0  # of what they read


@dataclass
class SftStage(StageConfig):
    """Supervised fine-tuning on prompts and completions; the loss is on the completion only."""

    kind: str = "sft"
    evals: int = 5
    logs: int = 50
    eval_every_tokens: float | None = None
    packing: bool = False  # examples side by side in rows of data.context tokens, where they cannot see each other
    lora: LoraOptions = field(default_factory=LoraOptions)  # the model that is saved has them merged, and they lie beside it
    trains: ClassVar[bool] = True
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
    """A model answers held-out problems, and its answers are verified."""

    kind: str = "evaluate"
    samples: int = 4
    makes: ClassVar[str] = "scores"


@dataclass
class CurateStage(StageConfig):
    """Answers are verified, filtered and selected; what is left is a data set to train on."""

    kind: str = "curate"
    inputs: list[str] = field(default_factory=list)  # artifacts of answers, by name or directory
    steps: dict[str, Any] = field(default_factory=dict)  # in order; their options are in openr1.data.curation.options
    makes: ClassVar[str] = "examples"


STAGES: dict[str, type[StageConfig]] = {
    stage.kind: stage for stage in (PretrainStage, SftStage, GenerateStage, CurateStage, EvaluateStage)
}


@dataclass
class Step:
    """One stage of a recipe: what differs from the config of the run.

    ``stage``, ``budget`` and a group that says what it is (another ``data=``, ``model=``) are its own; in the other groups,
    what is given replaces that key of the run's config. A text ``@NAME`` stands for the artifact of the earlier step NAME.
    """

    stage: StageConfig = MISSING
    model: dict[str, Any] = field(default_factory=dict)
    scale: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    engine: dict[str, Any] = field(default_factory=dict)
    reward: dict[str, Any] = field(default_factory=dict)
    budget: dict[str, Any] = field(default_factory=dict)
    optim: dict[str, Any] = field(default_factory=dict)
    compute: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None


@dataclass
class RecipeConfig:
    """``recipe=``: several stages in order. The run's own ``stage`` is not used."""

    name: str = MISSING
    steps: dict[str, Step] = field(default_factory=dict)
