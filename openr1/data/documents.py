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
from openr1.errors import ConfigError

EMPTY, NO_TEXT = "an empty cell", "a turn without text, such as a call of a tool"  # why rows are left out


class Document(NamedTuple):
    """Plain text is a completion without a prompt. A conversation has the turns before its last as well."""

    completion: str
    prompt: str = ""
    turns: tuple[Turn, ...] = ()


class Columns:
    """The columns of a table that are read: of documents ``text``, or ``prompt``, ``completion`` and maybe ``reasoning``.

    :param names: other ones, by the option of the source that names each; of a nested one the dotted path.
    :param labels: those options of which a row may lack the column, as long as others have it.
    :ivar left: how many rows are left out, by the reason.
    """

    def __init__(
        self, key: str, config: FilesSource | HubSource, names: dict[str, str] | None = None, labels: Sequence[str] = ()
    ) -> None:
        self.key, self.labels = key, labels
        documents = {"prompt": config.prompt, "completion": config.completion} if config.prompt else {"text": config.text}
        if config.prompt and config.reasoning:
            documents["reasoning"] = config.reasoning
        if config.messages:
            documents = {"messages": config.messages}
        self.names: dict[str, str] = names or documents
        if None in self.names.values():
            raise ConfigError(f"{key}.completion: the column of the completions is needed beside {key}.prompt")
        self.seen: set[str] = set()
        self.last: tuple[str, Sequence[str]] = "", ()  # where columns were last picked, and those that were there
        self.read, self.left = 0, Counter[str]()

    def pick(self, present: Sequence[str], where: str, whole: bool = True) -> list[str]:
        """The columns that are read, of those that a row or a table has; of a nested one, the outermost.

        :param whole: these are the columns of a whole table, not of a row that may lack labels.
        :raises ConfigError: where one is missing.
        """
        chosen, self.last = {}, (where, present)
        for option, column in self.names.items():
            outermost = column if column in present else column.partition(".")[0]
            if outermost in present:
                chosen[outermost] = None
                self.seen.add(option)
            elif whole or option not in self.labels:
                raise self._lacks(option)
        return list(chosen)

    def complete(self) -> None:
        """Make sure that each label was in a row, where there were any.

        :raises ConfigError: where one was not.
        """
        for option in self.labels:
            if option in self.names and option not in self.seen and self.last[0]:
                raise self._lacks(option)

    def _lacks(self, option: str) -> ConfigError:
        (where, present), column = self.last, self.names[option]
        return ConfigError(f"{self.key}.{option}: {where} has no column {column!r}; it has {', '.join(present)}")

    def documents(self, rows: Iterable[Row]) -> Iterator[Document]:
        """One document a row; rows with an empty or null cell, and conversations with a turn without text, are left out.

        :raises ConfigError: for a cell that does not hold text, or turns where there may be turns.
        """
        for row in rows:
            self.read += 1
            document = self._conversation(row) if "messages" in self.names else self._texts(row)
            if isinstance(document, Document):
                yield document
            else:
                self.left[document] += 1

    def _conversation(self, row: Row) -> Document | str:
        """A document whose completion is the last turn, and whose prompt is what users say before it."""
        cell = self.cell("messages", row)
        if is_missing(cell) or not cell:
            return EMPTY
        try:
            turns = conversations.turns_of(cell)
            if not turns:
                return NO_TEXT
            conversations.answered(turns)
        except ValueError as error:
            raise ConfigError(f"{self.key}.messages: {row.where} {error}") from error
        return Document(turns[-1]["content"], conversations.asked(turns), turns[:-1])

    def _texts(self, row: Row) -> Document | str:
        found = {option: self.cell(option, row) for option in self.names}
        if any(is_missing(cell) or cell in ("", []) for cell in found.values()):
            return EMPTY
        turns: tuple[Turn, ...] | None = ()
        if isinstance(found.get("prompt"), list):
            turns = self._turns("prompt", conversations.prompt_of, row)
            found["prompt"] = conversations.asked(turns or ())
        if isinstance(found.get("completion"), list):
            found["completion"] = self._turns("completion", conversations.completion_of, row)
        if turns is None or found.get("completion", "") is None:
            return NO_TEXT
        for option, cell in found.items():
            if not isinstance(cell, str):
                raise self.refuse(option, row, cell, "text")
        # a prompt of one turn is a plain one: the instruction and the system's turn of the config go with it
        return _document(found)._replace(turns=turns if len(turns) > 1 else ())

    def _turns(self, option: str, read: Any, row: Row) -> Any:
        try:
            return read(self.cell(option, row))
        except ValueError as error:
            raise ConfigError(f"{self.key}.{option}: {row.where} {error}") from error

    def cell(self, option: str, row: Row) -> Any:
        """The cell of an option's column; None where the option has none.

        :raises ConfigError: where a dotted path leads through what is no object.
        """
        return cells.cell(row, self.names.get(option), f"{self.key}.{option}")

    def refuse(self, option: str, row: Row, cell: Any, wanted: str) -> ConfigError:
        """The refusal of a cell of another form."""
        column = self.names[option]
        return ConfigError(f"{self.key}.{option}: column {column!r} of {row.where} holds {type(cell).__name__}, not {wanted}")


def _document(texts: dict[str, str]) -> Document:
    if "text" in texts:
        return Document(texts["text"])
    thoughts = f"<think>\n{texts['reasoning']}\n</think>\n\n" if "reasoning" in texts else ""
    return Document(f"{thoughts}{texts['completion']}", texts["prompt"])
