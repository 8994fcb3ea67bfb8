"""Typed schemas of every config group.

Hydra composes the YAML files under ``conf/`` onto these dataclasses, so an unknown key or a wrong type is refused while the
config is composed. :func:`typed` does the same for a config from anywhere else (a tracked run, a file, Python) and adds the
checks of values and across keys (:mod:`openr1.config.validation`). Nothing here imports torch, transformers or mlflow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.errors import MissingConfigException
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from openr1.config.validation import check
from openr1.data.hashing import digest
from openr1.engines.options import ENGINES, EngineConfig
from openr1.errors import ConfigError
from openr1.rewards.options import RewardConfig
from openr1.stages.options import STAGES, RecipeConfig, StageConfig, Step

__all__ = ["ENGINES", "SOURCES", "STAGES", "Config", "digest", "flatten", "one_line", "register", "to_dict", "typed"]


@dataclass
class ModelConfig:
    """``model=``: a family, from scratch at the rung of ``scale`` or from a checkpoint."""

    family: str = MISSING  # a name in openr1.models.build.FAMILIES
    checkpoint: str | None = None  # directory or Hub id whose weights and tokenizer the run starts from
    revision: str | None = None  # branch, tag or commit of a Hub checkpoint
    pretrained: bool = False  # start from checkpoints[scale.name]
    checkpoints: dict[str, str] = field(default_factory=dict)  # rung -> Hub id of the family's own model of that size
    tie_embeddings: bool = True
    rope_theta: float = 10_000.0
    init_std: float | None = (
        None  # of the weights of a model from scratch; null for sqrt(2 / (5 width)), see openr1.models.build
    )
    attention: str = "sdpa"  # the attention implementation of transformers
    options: dict[str, Any] = field(default_factory=dict)  # further arguments of the family's transformers config class


@dataclass
class ScaleConfig:
    """``scale=``: one rung of the ladder. The feed-forward size follows from ``params`` and the family."""

    name: str = MISSING
    params: float = MISSING  # target of (active) non-embedding parameters
    width: int = MISSING  # size of the residual stream; a multiple of heads
    depth: int = MISSING  # layers
    heads: int = MISSING
    kv_heads: int = MISSING  # a divisor of heads


@dataclass
class SourceConfig:
    """One source of a data mix. ``kind`` selects the subclass below."""

    kind: str = MISSING
    # share of the mix's training tokens, relative to the other sources; with data.reference it may be 0
    weight: float = 1.0


@dataclass
class PythonStdlibSource(SourceConfig):
    """The Python standard library of the running interpreter: real source code that is on every machine."""

    kind: str = "python_stdlib"


@dataclass
class ProblemColumns:
    """Columns of a table of problems, beside its ``prompt``."""

    answer: str | None = "answer"  # the right answer; null where there is none, as for code
    kind: str | None = None  # how all answers are verified: exact, math, choice or code; null for the column ``kind``
    tests: Any = None  # of code, a column or several; see openr1.data.program_tests for the forms
    function: str | None = None  # that the tests call, where they do not name it themselves
    starter: str | None = None  # code that a program begins with; a part of the prompt where it is not empty
    wrong: list[str] = field(default_factory=list)  # of the wrong options, where a choice is made of them and the answer
    difficulty: str | None = None  # a number, or text such as Level 5
    task: str | None = None  # for results by task; null for the name of the source


@dataclass
class FilesSource(SourceConfig):
    """Local text, JSON, CSV or Parquet files; openr1.data.formats knows their suffixes."""

    kind: str = "files"
    path: str = MISSING  # a file, a directory or a glob
    format: str | None = None  # text, jsonl, json, csv, tsv or parquet; from the file name's suffix where null
    text: str = "text"  # column of the document, in a table
    prompt: str | None = None  # column of the prompt, a text or turns; with completion, in place of text
    completion: str | None = None
    reasoning: str | None = None  # column of the thoughts, which stand in <think> before the completion
    columns: ProblemColumns = field(default_factory=ProblemColumns)
    messages: str | None = None  # column of conversations, in place of the others: lists of turns with role and content


@dataclass
class HubSource(SourceConfig):
    """A Hugging Face data set: a Hub id, or the local directory of one."""

    kind: str = "hub"
    path: str = MISSING
    subset: str | None = None
    split: str = "train"
    revision: str | None = None
    text: str = "text"
    prompt: str | None = None
    completion: str | None = None
    reasoning: str | None = None
    max_rows: int | None = None
    columns: ProblemColumns = field(default_factory=ProblemColumns)
    messages: str | None = None  # column of conversations, in place of the others: lists of turns with role and content


@dataclass
class TaskSource(SourceConfig):
    """Procedural problems with an answer and a reasoning trace, written by the task's own oracle."""

    kind: str = "task"
    task: str = MISSING  # a name in openr1.data.tasks.TASKS
    problems: int = 20_000  # distinct problems, training and evaluation together
    reasoned: float = 0.5  # share of the completions that reason before they answer
    seed: int = 0  # of the problems, not of the run
    options: dict[str, Any] = field(default_factory=dict)  # the task's difficulty parameters


@dataclass
class ArtifactSource(SourceConfig):
    """Examples that ``stage=curate`` made, or answers of ``stage=generate`` as they are."""

    kind: str = "artifact"
    artifact: str = MISSING  # its name, its directory, or in a recipe @STEP


SOURCES: dict[str, type[SourceConfig]] = {
    "python_stdlib": PythonStdlibSource,
    "files": FilesSource,
    "hub": HubSource,
    "task": TaskSource,
    "artifact": ArtifactSource,
}


@dataclass
class TokenizerConfig:
    """Byte-level BPE trained on the mix. A run from a checkpoint uses the checkpoint's own tokenizer instead."""

    vocab_size: int = 512  # special tokens and the 256 bytes included
    train_bytes: int = 16_000_000  # text that the merges are learned from


@dataclass
class DataConfig:
    """``data=``: a mix of sources, how it is tokenized, and what is held out."""

    name: str = MISSING
    sources: dict[str, SourceConfig] = field(default_factory=dict)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    context: int = 128  # tokens a sequence
    eval_fraction: float = 0.02  # documents held out, chosen by their content hash
    eval_tokens: int = 65_536  # at most so many held-out tokens are evaluated
    unique_tokens: int | None = None  # cap on the distinct training tokens, for data-constrained studies
    # what is evaluated in place of the held-out side of the sources: whole, of a task the problems that it holds out
    held_out: dict[str, SourceConfig] = field(default_factory=dict)
    # source -> weight in what the tokenizer is learned from and what is held out; null for the weights of training. Mixes with
    # one reference have losses that compare
    reference: Any = None
    chat: bool = False  # prompts and completions are turns of the model's chat template
    system: str | None = None  # the system's turn of every chat
    instruction: str = "{prompt}"  # what a model reads; {prompt} stands for the prompt of the data


@dataclass
class BudgetConfig:
    """``budget=``: how long a run trains. One key is given and the others follow from it."""

    tokens: float | None = None
    flops: float | None = None  # of training, counted by openr1.models.flops; of stage=grpo rollouts and updates together
    steps: float | None = None
    completions: float | None = None  # answers that are learned from, for stage=grpo
    epochs: float | None = None  # passes over the unique training tokens
    tokens_per_param: float | None = 20.0  # non-embedding parameters; used where none of the others is given


@dataclass
class OptimConfig:
    """``optim=``: AdamW and its schedule. A null ``lr`` or ``batch_tokens`` follows from the rule beside it."""

    lr: float | None = None
    lr_rule: str = "small"  # a name in openr1.training.hyperparameters.LR_RULES
    lr_scale: float = 1.0  # multiplies what the rule gives
    batch_tokens: float | None = None  # tokens a step, over all devices
    batch_rule: str = "step_law"  # a name in openr1.training.hyperparameters.BATCH_RULES
    schedule: str = "wsd"  # wsd (warm-up, stable, decay), cosine, linear or constant
    warmup: float = 0.1  # share of the steps
    warmup_tokens: float | None = None  # in place of the share, so that runs of different lengths begin alike
    decay: float = 0.3  # share of the steps, for wsd
    min_lr_ratio: float = 0.0  # learning rate at the end over its peak
    weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-8
    grad_clip: float = 1.0  # 0 for none


@dataclass
class ComputeConfig:
    """``compute=``: where one run executes. Only ``precision`` may change a result, beyond rounding."""

    device: str = "cpu"  # cpu or cuda
    precision: str = "float32"  # float32 or bfloat16 (autocast)
    threads: int | None = 1  # CPU threads of the run; null for all cores
    parallel_trials: int = -1  # trials of a study side by side on one machine; -1 for one a core
    processes: int = 1  # that a training stage runs on, each with a device of its own; other stages run on one
    strategy: str = "none"  # of several processes: ddp, zero2 or zero3
    port: int = 0  # where the processes find each other; 0 for a free one
    micro_batch: int | None = None  # sequences of one forward pass on one device, at most; null for all of a step
    gradient_checkpointing: bool = False
    compile: bool = False
    peak_flops: float | None = None  # of one device at this precision, for model FLOPs utilisation
    price_per_hour: float | None = None  # of one device, in any currency
    checkpoint_minutes: float | None = 10.0  # a resumable state at least so often; null for none
    checkpoint_steps: int | None = None  # and every so many steps


@dataclass
class TrackingConfig:
    """``tracking=``: the MLflow store."""

    uri: str = MISSING
    artifacts: str | None = None  # where MLflow keeps run artifacts; null for the store's default
    experiment: str = "openr1"


@dataclass
class PathsConfig:
    """Where a run writes. Relative paths are relative to the current directory."""

    outputs: str = "outputs"
    artifacts: str = "${paths.outputs}/artifacts"
    cache: str = "${paths.outputs}/cache"
    studies: str = "${paths.outputs}/studies"


@dataclass
class Config:
    """Everything that decides one run."""

    study: str = "default"
    seed: int = 0
    model: ModelConfig = field(default_factory=ModelConfig)
    scale: ScaleConfig = field(default_factory=ScaleConfig)
    data: DataConfig = field(default_factory=DataConfig)
    stage: StageConfig = field(default_factory=StageConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    recipe: RecipeConfig | None = None
    paths: PathsConfig = field(default_factory=PathsConfig)
    sweep: Any = None  # what decides which runs to make, in sweeps.config; a run does not depend on it


# ${by_device:DEVICE,CPU,CUDA} is one of two values; made on import, since the workers of a launcher resolve configs too
OmegaConf.register_new_resolver("by_device", lambda device, cpu, cuda: cuda if device == "cuda" else cpu, replace=True)


def register() -> None:
    """Put the schemas into Hydra's store. They have no group, so that ``--help`` lists only choices a user makes."""
    store = ConfigStore.instance()
    # Hydra copies its whole repository for every group that --help lists; this singleton copies what it hands out anyway
    ConfigStore.__deepcopy__ = lambda self, memo: self
    for schema in (Config, RecipeConfig, *SOURCES.values(), *STAGES.values(), *ENGINES.values()):
        store.store(name=schema.__name__, node=schema)


def typed(cfg: DictConfig | dict) -> Config:
    """The config as dataclasses, interpolations resolved.

    :raises ConfigError: for an unknown key, a wrong type, a missing value or an impossible combination.
    """
    try:
        raw = OmegaConf.to_container(OmegaConf.create(cfg), resolve=True)
        raw.pop("sweep", None)
        merged = OmegaConf.structured(Config)
        stage = raw.get("stage") or {}
        merged.stage = OmegaConf.structured(_subclass(STAGES, stage, "stage.kind"))
        engine = raw.setdefault("engine", {})
        if engine.get("kind", MISSING) == MISSING:
            engine["kind"] = "transformers"  # of a config from before there were engines
        merged.engine = OmegaConf.structured(_subclass(ENGINES, engine, "engine.kind"))
        for group in ("sources", "held_out"):
            for name, source in ((raw.get("data") or {}).get(group) or {}).items():
                kind = _subclass(SOURCES, source, f"data.{group}.{name}.kind")
                merged.data[group][name] = OmegaConf.structured(kind)
        if raw.get("recipe"):
            merged.recipe = RecipeConfig()
            for name, step in (raw["recipe"].get("steps") or {}).items():
                kind = _subclass(STAGES, step.get("stage") or {}, f"recipe.steps.{name}.stage.kind")
                merged.recipe.steps[name] = Step(stage=kind())
        merged = OmegaConf.merge(merged, raw)
        missing = sorted(OmegaConf.missing_keys(merged))
        if missing:
            raise ConfigError(f"{missing[0]}: no value is given")
        config = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        raise ConfigError(one_line(error)) from error
    check(config)
    return config


def _subclass(kinds: dict[str, type], node: dict, key: str) -> type:
    kind = node.get("kind", "???")
    if kind not in kinds:
        raise ConfigError(f"{key}: {kind!r} is not one of {', '.join(kinds)}")
    return kinds[kind]


def one_line(error: Exception) -> str:
    """An error of Hydra or OmegaConf as one line that begins with the key and says what is allowed."""
    if isinstance(error, MissingConfigException) and error.options:
        group, _, choice = (error.missing_cfg_file or "").rpartition("/")
        return f"{group}={choice}: is not one of {', '.join(error.options)}"
    # a ConfigError has been put into words already, with the whole of its key
    wrapped = isinstance(error.__cause__, OmegaConfBaseException) and not isinstance(error, ConfigError)
    cause = error.__cause__ if wrapped else error
    key, parent = getattr(cause, "full_key", None), getattr(cause, "parent_node", None)
    if isinstance(cause, ConfigAttributeError | ConfigKeyError) and key and isinstance(parent, DictConfig):
        there = f"; there are {', '.join(map(str, parent))}" if len(parent) else ""
        # where any key may stand, Hydra takes a new one with a plus
        return f"{key}: no such key{there}" + (f"; +{key}=… adds it" if OmegaConf.get_type(parent) is dict else "")
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    text = " ".join(line for line in lines if not line.startswith(("full_key:", "object_type=", "reference_type=")))
    return f"{key}: {text}" if key and not text.startswith(str(key)) else text


def to_dict(config: Config) -> dict[str, Any]:
    """The resolved config as plain containers, ready for YAML or JSON."""
    plain = OmegaConf.to_container(OmegaConf.structured(config), resolve=True)
    plain.pop("sweep")
    return plain


def flatten(node: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested containers as dotted keys: ``{"optim": {"lr": 1}}`` -> ``{"optim.lr": 1}``."""
    flat: dict[str, Any] = {}
    for key, value in node.items():
        name = f"{prefix}{key}"
        flat.update(flatten(value, f"{name}.") if isinstance(value, dict) and value else {name: value})
    return flat
