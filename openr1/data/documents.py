"""Documents of the rows of a table: plain texts, prompts with completions, or conversations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from openr1.data import cells, conversations
from openr1.data.cells import is_missing
from openr1.data.conversations import Turn
from openr1.data.options import FilesSource, HubSource
from openr1.data.tables import Row
from openr1.system.errors import ConfigError

EMPTY, NO_TEXT = "an empty cell", "a turn without text, such as a call of a tool"  # reasons why rows are left out
BLANK = "a text or an answer of white space"


class Document(NamedTuple):
    """One text to train on. Plain text is a completion without a prompt; a conversation also has the turns before its last.

    A preference pair has the better answer as completion, and beside it the worse one.
    """

    completion: str
    prompt: str = ""
    turns: tuple[Turn, ...] = ()
    rejected: str | None = None  # the worse answer of a preference pair
    margin: float | None = None  # how much better the completion is, in the unit of the data; None if they do not say


class Columns:
    """Columns of a table that are read: ``text``, or ``prompt``, ``completion`` and optionally ``reasoning``.

    :param key: where the source stands in the config, for messages.
    :param names: other columns instead, by the option of the source that names each; a nested column has a dotted path.
    :param labels: options whose column a row may lack, as long as some row has it.
    :ivar left: number of rows that are left out, by the reason.
    """

    def __init__(
        self,
        key: str,
        config: FilesSource | HubSource | None = None,
        names: dict[str, str] | None = None,
        labels: Sequence[str] = (),
    ) -> None:
        self.key, self.labels = key, labels
        self.names = names or (_document_columns(key, config) if config else {})
        self.seen: set[str] = set()
        self.last: tuple[str, Sequence[str]] = "", ()  # where columns were last picked, and the columns that existed there
        self.read, self.left = 0, Counter[str]()

    def pick(self, present: Sequence[str], where: str, whole: bool = True) -> list[str]:
        """Select the columns to read among those of a row or a table; of a nested column, the outermost.

        :param whole: these are the columns of a whole table, not of a row that may lack labels.
        :raises ConfigError: if one is missing.
        """
        chosen: dict[str, None] = {}
        self.last = where, present
        for option, column in self.names.items():
            outermost = column if column in present else column.partition(".")[0]
            if outermost in present:
                chosen[outermost] = None
                self.seen.add(option)
            elif whole or option not in self.labels:
                raise self._lacks(option)
        return list(chosen)

    def complete(self) -> None:
        """Require that each label was in some row, once all rows are read.

        :raises ConfigError: for a label that no row had.
        """
        for option in self.labels:
            if option in self.names and option not in self.seen and self.last[0]:
                raise self._lacks(option)

    def _lacks(self, option: str) -> ConfigError:
        (where, present), column = self.last, self.names[option]
        return ConfigError(f"{self.key}.{option}: {where} has no column {column!r}; it has {', '.join(present)}")

    def documents(self, rows: Iterable[Row]) -> Iterator[Document]:
        """Yield one document per row, without rows with an empty or null cell or a blank text, and without conversations
        in which a turn has no text.

        :raises ConfigError: for a cell that holds neither text nor, if allowed in its column, turns.
        """
        for row in rows:
            self.read += 1
            document = self._conversation(row) if "messages" in self.names else self._texts(row)
            if isinstance(document, Document) and not document.completion.strip():
                document = BLANK
            if isinstance(document, Document):
                yield document
            else:
                self.left[document] += 1

    def _conversation(self, row: Row) -> Document | str:
        """Return a document with the last turn as completion and the users' turns as prompt, or the reason to leave it out."""
        cell = self.cell("messages", row)
        if is_missing(cell) or not cell:
            return EMPTY
        try:
            turns = conversations.turns_of(cell)
            if not turns:
                return NO_TEXT
            conversations.require_answer(turns)
        except ValueError as error:
            raise ConfigError(f"{self.key}.messages: {row.where} {error}") from error
        return Document(turns[-1]["content"], conversations.user_text(turns), turns[:-1])

    def _texts(self, row: Row) -> Document | str:
        texts = {option: self.cell(option, row) for option in self.names}
        if any(is_missing(cell) or cell in ("", []) for cell in texts.values()):
            return EMPTY
        turns: tuple[Turn, ...] | None = ()
        if isinstance(texts.get("prompt"), list):
            turns = self._turns("prompt", conversations.prompt_of, row)
            texts["prompt"] = conversations.user_text(turns or ())
        if isinstance(texts.get("completion"), list):
            texts["completion"] = self._turns("completion", conversations.completion_of, row)
        if turns is None or texts.get("completion", "") is None:
            return NO_TEXT
        for option, cell in texts.items():
            if not isinstance(cell, str):
                raise self.refuse(option, row, cell, "text")
        # a prompt of one turn is a plain prompt, which gets the instruction and the system turn of the config
        return _document(texts)._replace(turns=turns if len(turns) > 1 else ())

    def _turns(self, option: str, read: Any, row: Row) -> Any:
        try:
            return read(self.cell(option, row))
        except ValueError as error:
            raise ConfigError(f"{self.key}.{option}: {row.where} {error}") from error

    def cell(self, option: str, row: Row) -> Any:
        """Return the cell of an option's column; None if the option names no column.

        :raises ConfigError: if a dotted path leads through a value that is not an object.
        """
        return cells.cell(row, self.names.get(option), f"{self.key}.{option}")

    def refuse(self, option: str, row: Row, cell: Any, wanted: str) -> ConfigError:
        """Return the error for a cell of another type."""
        column = self.names[option]
        return ConfigError(f"{self.key}.{option}: column {column!r} of {row.where} holds {type(cell).__name__}, not {wanted}")


def _document_columns(key: str, config: FilesSource | HubSource) -> dict[str, str]:
    if config.messages:
        return {"messages": config.messages}
    if not config.prompt:
        return {"text": config.text}
    if config.completion is None:
        raise ConfigError(f"{key}.completion: the column of the completions is needed beside {key}.prompt")
    reasoning = {"reasoning": config.reasoning} if config.reasoning else {}
    return {"prompt": config.prompt, "completion": config.completion, **reasoning}


def _document(texts: dict[str, str]) -> Document:
    if "text" in texts:
        return Document(texts["text"])
    thoughts = f"<think>\n{texts['reasoning']}\n</think>\n\n" if "reasoning" in texts else ""
    return Document(f"{thoughts}{texts['completion']}", texts["prompt"])
