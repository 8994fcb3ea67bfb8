"""Options of ``data=``: a mix of sources, its tokenizer, and what is held out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from omegaconf import MISSING

from openr1.errors import ConfigError
from openr1.options import positive, share


@dataclass
class SourceConfig:
    """One source of a data mix. ``kind`` selects the subclass below."""

    kind: str = MISSING
    kinds: ClassVar[dict[str, type[SourceConfig]]]
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
SourceConfig.kinds = SOURCES


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


def check_data(data: DataConfig) -> None:
    """:raises ConfigError: for the first key of ``data=`` that is wrong."""
    positive(data, "data", "unique_tokens")
    if data.context < 2:
        raise ConfigError("data.context: must be at least 2")
    if not 0 < data.eval_fraction < 1:
        raise ConfigError("data.eval_fraction: must be between 0 and 1")
    if data.eval_tokens < data.context:
        raise ConfigError(f"data.eval_tokens: {data.eval_tokens} is below one sequence of data.context={data.context} tokens")
    _check_reference(data)
    if "{prompt}" not in data.instruction:
        raise ConfigError(f"data.instruction: {data.instruction!r} has no {{prompt}} where the prompt stands")
    if data.system is not None and not data.chat:
        raise ConfigError("data.system: only a chat has a system's turn; set data.chat")
    for group in ("sources", "held_out"):
        for name, source in getattr(data, group).items():
            key = f"data.{group}.{name}"
            unused = group == "sources" and source.weight == 0 and data.reference is not None
            positive(source, key, *(() if unused else ("weight",)), "problems", "max_rows")
            share(source, key, "reasoned")
            if name in ("tokenizer", "held_out"):
                raise ConfigError(f"{key}: a source has another name than {name}")


def _check_reference(data: DataConfig) -> None:
    """Check the mix that the tokenizer is learned from, and that is held out."""
    if data.reference is None:
        return
    if not isinstance(data.reference, dict) or not data.reference or not set(data.reference) <= set(data.sources):
        raise ConfigError(f"data.reference: gives a weight to some of data.sources, which are {', '.join(data.sources)}")
    for name, weight in data.reference.items():
        if not isinstance(weight, float | int) or weight <= 0:
            raise ConfigError(f"data.reference.{name}: is a weight above 0, not {weight!r}")
    if not any(source.weight > 0 for source in data.sources.values()):
        raise ConfigError("data.sources: at least one has a weight above 0")
