"""Items that a tracked run has for its store, in order, until the store has taken them.

While the store is locked or away, they wait in memory. At the end of the run they are kept in a file, ``.unsent/RUN_ID.json``
in the folder of the artifacts, and the next command that tracks to the same store sends them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from openr1.system.errors import StoreError
from openr1.system.files import locked
from openr1.system.records import read_sealed, write_sealed
from openr1.tracking import lineage
from openr1.tracking.patience import is_away
from openr1.tracking.store import store_errors

UNSENT = ".unsent"
METRICS_PER_REQUEST = 900  # MLflow refuses more than 1000

Item = tuple[str, Any]  # the name of a sender, and what it sends, as JSON has it


class Outbox:
    """The items that wait for one run of one store."""

    def __init__(self, client: Any, run_id: str) -> None:
        self.client, self.run_id = client, run_id
        self.items: list[Item] = []

    def add(self, kind: str, value: Any) -> None:
        """Add an item. Metrics join those that are last in the queue, so that many are sent at once."""
        if kind == "metrics" and self.items and self.items[-1][0] == kind:
            self.items[-1][1].extend(value)
        else:
            self.items.append((kind, value))

    def send(self) -> None:
        """Send the items in order. The first that raises an error stays, and those after it.

        :raises MlflowException, OSError: as the store does.
        """
        while self.items:
            kind, value = self.items[0]
            if kind == "metrics":
                _send_metrics(self.client, self.run_id, value[:METRICS_PER_REQUEST])
                del value[:METRICS_PER_REQUEST]
                if value:
                    continue
            else:
                SENDERS[kind](self.client, self.run_id, value)
            del self.items[0]

    def drop_first(self) -> None:
        """Drop the first item, which the store refuses."""
        del self.items[0]

    def keep(self, path: Path, uri: str) -> None:
        """Keep the items in a file.

        :raises RunError: for a fault of the machine.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        write_sealed(path, {"uri": uri, "run_id": self.run_id, "items": self.items})

    def take(self, path: Path) -> None:
        """Add the items that a file keeps, and delete it."""
        if kept := _read_kept(path):
            for kind, value in kept["items"]:
                self.add(kind, value)
            path.unlink()


def _read_kept(path: Path) -> dict[str, Any] | None:
    """Read what was kept. A damaged file is deleted, and said."""
    kept = read_sealed(path)
    if kept is None:
        print(f"warning: {path} is damaged; what it kept for a tracked run is lost", file=sys.stderr, flush=True)
        path.unlink()
    return kept


def send_all(waiting: Outbox, uri: str, refused: Callable[[StoreError], None]) -> None:
    """Send what waits; drop what the store refuses.

    :raises StoreError: if the store is away; what it has not got keeps waiting.
    """
    while waiting.items:
        try:
            with store_errors(uri):
                waiting.send()
        except StoreError as error:
            if error.__cause__ is not None and is_away(error.__cause__):
                raise
            waiting.drop_first()
            refused(error)


def send_kept(uri: str, folder: Path, client: Callable[[str], Any], send: Callable[[Outbox], None]) -> None:
    """Send what earlier runs have kept for a store.

    :param folder: folder of the artifacts.
    :param send: sends the items of an outbox, and drops those that the store refuses.
    """
    if not any((folder / UNSENT).glob("*.json")):
        return
    with locked(folder / UNSENT / ".lock"):
        for path in sorted((folder / UNSENT).glob("*.json")):
            kept = _read_kept(path)
            if kept is None or kept["uri"] != uri:
                continue
            outbox = Outbox(client(uri), kept["run_id"])
            outbox.items = [(kind, value) for kind, value in kept["items"]]
            try:
                send(outbox)
            finally:
                if outbox.items:
                    outbox.keep(path, uri)  # the rest only: what was sent is not sent again
                else:
                    path.unlink()
            print(f"tracking.uri: {uri} now has what was kept for run {kept['run_id']}", file=sys.stderr, flush=True)


def _send_metrics(client: Any, run_id: str, rows: list[list[Any]]) -> None:
    from mlflow.entities import Metric

    client.log_batch(run_id, metrics=[Metric(key, value, timestamp, step) for key, value, timestamp, step in rows])


def _send_params(client: Any, run_id: str, values: dict[str, str]) -> None:
    from mlflow.entities import Param

    client.log_batch(run_id, params=[Param(key, value) for key, value in values.items()])


def _send_tags(client: Any, run_id: str, values: dict[str, str]) -> None:
    from mlflow.entities import RunTag

    client.log_batch(run_id, tags=[RunTag(key, value) for key, value in values.items()])


def _send_dataset(client: Any, run_id: str, value: dict[str, str]) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag
    from mlflow.exceptions import MlflowException

    dataset = Dataset(value["name"], value["digest"], "openr1", value["source"], profile=value["profile"])
    inputs = [DatasetInput(dataset, [InputTag("mlflow.data.context", value["context"])])]
    try:
        client.log_inputs(run_id, inputs)
    except MlflowException:
        # two runs that begin together both miss the data set and add it; the second one finds it when it tries again
        client.log_inputs(run_id, inputs)


SENDERS: dict[str, Callable[[Any, str, Any], None]] = {
    "params": _send_params,
    "tags": _send_tags,
    "dataset": _send_dataset,
    "model": lambda client, run_id, _: lineage.log_output(client, run_id),
    "model_inputs": lineage.log_inputs,
    "file": lambda client, run_id, path: client.log_artifact(run_id, path),
    "text": lambda client, run_id, value: client.log_text(run_id, *value),
    "table": lambda client, run_id, value: client.log_table(run_id, *value),
    "status": lambda client, run_id, status: client.set_terminated(run_id, status),
}
