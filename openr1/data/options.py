"""Options of ``data=``: the sources of a mix, its tokenizer, and the documents that are held out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol

from annotated_types import Ge, Le
from omegaconf import MISSING

from openr1.data.formats import FORMATS
from openr1.options.ranges import Count, FreeText, NotNegative, OneOf, ProperShare, Seed, Share, Unit


class Paths(Protocol):
    """Folders that data are read from and cached in, as ``paths=`` names them."""

    cache: str
    artifacts: str


@dataclass
class SourceConfig:
    """One source of a data mix. ``kind`` selects the subclass below."""

    kind: str = MISSING
    kinds: ClassVar[dict[str, type[SourceConfig]]]
    pairs: ClassVar[bool] = False  # its documents are preference pairs
    # share of the mix's training tokens, relative to the other sources; it may be 0 if data.reference is set
    weight: NotNegative = 1.0

    if TYPE_CHECKING:  # options of the subclass that ``kind`` selects

        def __getattr__(self, name: str) -> Any: ...


@dataclass
class PythonStdlibSource(SourceConfig):
    """The Python standard library of the running interpreter: real source code that every machine has."""

    kind: str = "python_stdlib"


@dataclass
class ProblemColumns:
    """Columns of a table of problems, beside its ``prompt``."""

    answer: str | None = "answer"  # the right answer; null if there is none, as for code
    kind: str | None = None  # how all answers are verified: exact, math, choice or code; null to read it from a column ``kind``
    tests: Any = None  # tests of a program, in one column or several; openr1.data.program_tests lists the forms
    function: str | None = None  # name of the function under test, if the tests do not name it themselves
    starter: str | None = None  # code that the program must begin with; appended to the prompt if not empty
    wrong: list[str] = field(default_factory=list)  # wrong options, if a multiple choice is made of them and the answer
    difficulty: str | None = None  # a number, or text such as "Level 5"
    task: str | None = None  # label for results by task; null for the name of the source


@dataclass
class FilesSource(SourceConfig):
    """Local text, JSON, CSV or Parquet files; openr1.data.formats lists their suffixes."""

    kind: str = "files"
    path: str = MISSING  # a file, a directory or a glob
    # text, jsonl, json, csv, tsv or parquet; null to derive it from the suffix of the file name
    format: Annotated[str, OneOf(FORMATS)] | None = None
    text: str = "text"  # column of the document, in a table
    prompt: str | None = None  # column of the prompt, as text or turns; replaces text together with completion
    completion: str | None = None
    reasoning: str | None = None  # column of the reasoning, which is put in <think> before the completion
    columns: ProblemColumns = field(default_factory=ProblemColumns)
    messages: str | None = None  # column of conversations (lists of turns with role and content); replaces the other columns


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
    max_rows: Count | None = None
    columns: ProblemColumns = field(default_factory=ProblemColumns)
    messages: str | None = None  # column of conversations (lists of turns with role and content); replaces the other columns


@dataclass
class TaskSource(SourceConfig):
    """Procedural problems with an answer and a reasoning trace, both written by the task's own oracle."""

    kind: str = "task"
    task: str = MISSING  # a name in openr1.data.tasks.TASKS
    problems: Count = 20_000  # distinct problems, training and evaluation together
    reasoned: Share = 0.5  # share of the completions that reason before they answer
    # rewrite the reasoning as a step a line and a summary, with each defect of readability by this chance; null keeps the trace
    defects: Share | None = None
    seed: Seed = 0  # seed of the problems, independent of the run's seed
    options: dict[str, Any] = field(default_factory=dict)  # the task's difficulty parameters


@dataclass
class ArtifactSource(SourceConfig):
    """Examples made by ``stage=curate``, or unfiltered answers of ``stage=generate``."""

    kind: str = "artifact"
    artifact: str = MISSING  # its name, its directory, or in a recipe @STEP


@dataclass
class PairColumns:
    """Columns of a table of preference pairs; a nested column has a dotted path."""

    prompt: str | None = "prompt"  # text or turns; null if the answers are conversations that begin with it
    chosen: str = "chosen"  # the better answer, or with label the first: text, one turn, or a conversation that ends with it
    rejected: str = "rejected"  # the worse answer, or with label the second
    label: str | None = None  # column that says which answer is better; null if the two columns say it
    first: list[Any] = field(default_factory=list)  # its values that prefer the first answer, such as [-3, -2, -1]
    second: list[Any] = field(default_factory=list)  # its values that prefer the second; any other value prefers neither
    margin: str | None = None  # column of a number that says how much better, of which the sign does not count
    scores: list[str] = field(default_factory=list)  # two columns in place of margin: the scores of the better and the worse


@dataclass
class PreferenceFilesSource(SourceConfig):
    """Preference pairs of local tables: JSON, CSV or Parquet files."""

    kind: str = "preference_files"
    path: str = MISSING  # a file, a directory or a glob
    # jsonl, json, csv, tsv or parquet; null to derive it from the suffix of the file name
    format: Annotated[str, OneOf(FORMATS)] | None = None
    columns: PairColumns = field(default_factory=PairColumns)
    pairs: ClassVar[bool] = True


@dataclass
class PreferenceHubSource(SourceConfig):
    """Preference pairs of a Hugging Face data set: a Hub id, or the local directory of one."""

    kind: str = "preference_hub"
    path: str = MISSING
    subset: str | None = None
    split: str = "train"
    revision: str | None = None
    max_rows: Count | None = None
    columns: PairColumns = field(default_factory=PairColumns)
    pairs: ClassVar[bool] = True


@dataclass
class ReadabilitySource(SourceConfig):
    """Preference pairs whose better answer is more readable: the oracle's reasoning about a task, written well and badly."""

    kind: str = "readability"
    task: str = "sums"  # a name in openr1.data.tasks.TASKS, whose oracle writes traces
    problems: Count = 20_000  # distinct problems, training and evaluation together
    pairs_each: Count = 1  # pairs of each problem
    # noise of the preferences: the chance that the better answer is preferred is sigmoid(difference of scores / temperature);
    # 0 for none
    temperature: NotNegative = 0.0
    seed: Seed = 0  # seed of the problems and of the pairs, independent of the run's seed
    options: dict[str, Any] = field(default_factory=dict)  # the task's difficulty parameters
    pairs: ClassVar[bool] = True

    @property
    def of_task(self) -> TaskSource:
        """The problems of the pairs."""
        return TaskSource(task=self.task, problems=self.problems, seed=self.seed, options=self.options)


SOURCES: dict[str, type[SourceConfig]] = {
    "python_stdlib": PythonStdlibSource,
    "files": FilesSource,
    "hub": HubSource,
    "task": TaskSource,
    "artifact": ArtifactSource,
    "preference_files": PreferenceFilesSource,
    "preference_hub": PreferenceHubSource,
    "readability": ReadabilitySource,
}
SourceConfig.kinds = SOURCES


@dataclass
class TokenizerConfig:
    """Byte-level BPE trained on the mix. A run from a checkpoint uses the checkpoint's own tokenizer instead."""

    vocab_size: Annotated[int, Ge(257), Le(10**7), Unit("tokens")] = 512  # including the special tokens and the 256 bytes
    train_bytes: Annotated[int, Ge(1), Le(10**12), Unit("bytes")] = 16_000_000  # bytes of text that the merges are learned from


@dataclass
class DataConfig:
    """``data=``: a mix of sources, its tokenizer, and the documents that are held out."""

    name: str = MISSING
    sources: dict[str, SourceConfig] = field(default_factory=dict)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    context: Annotated[int, Ge(2), Le(10**7), Unit("tokens")] = 128  # tokens in a sequence
    eval_fraction: ProperShare = 0.02  # fraction of documents held out, chosen by their content hash
    # maximum number of held-out tokens that are evaluated
    eval_tokens: Annotated[int, Ge(1), Le(10**12), Unit("tokens")] = 65_536
    # cap on the distinct training tokens, for data-constrained studies
    unique_tokens: Annotated[int, Ge(1), Le(10**15), Unit("tokens")] | None = None
    # evaluation sets that replace the held-out side of the sources: whole tables, or the held-out problems of tasks
    held_out: dict[str, SourceConfig] = field(default_factory=dict)
    # source -> weight in the text that the tokenizer is trained on and in the held-out tokens; null for the training weights.
    # Mixes with the same reference have comparable losses
    reference: Any = None
    chat: bool = False  # format prompts and completions as turns of the model's chat template
    system: FreeText | None = None  # the system turn of every chat
    instruction: str = "{prompt}"  # text that a model reads; {prompt} stands for the prompt of the data
