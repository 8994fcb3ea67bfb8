"""MLflow stores that begin as copies of an empty one: making the tables of a SQLite file takes more than a second."""

import os
import shutil
import uuid
from pathlib import Path

from openr1.tracking import mlflow, store

TEMPLATE = "OPENR1_TEST_STORE"  # environment variable: path of the empty store; the first process that needs it makes it


def copy_empty_stores() -> None:
    """Have this process copy the empty store wherever it would make a SQLite store, where the environment names one."""
    if TEMPLATE not in os.environ or hasattr(store.client, "opened"):
        return
    opened = store.client

    def client(uri):
        path = Path(uri.removeprefix("sqlite:///"))
        if uri.startswith("sqlite:///") and not path.exists():
            template = Path(os.environ[TEMPLATE])
            opened(f"sqlite:///{template}")
            _copy(template, path)
        return opened(uri)

    client.opened = opened
    store.client = mlflow.client = client  # the second is the name by which runs are written


def _copy(template: Path, path: Path) -> None:
    """Copy the store, unless another process makes one in the meantime."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_name(f".{uuid.uuid4().hex}")
    shutil.copyfile(template, whole)
    try:
        os.link(whole, path)
    except FileExistsError:
        return
    finally:
        whole.unlink()
