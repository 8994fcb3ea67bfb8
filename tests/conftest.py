"""Fixtures of all tests: data and a config that take a second to prepare and train, an empty MLflow store."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import logging
from pathlib import Path

import pytest
from helpers.compositions import remember_compositions
from helpers.configs import tiny_run, write_text
from helpers.stores import TEMPLATE, copy_empty_stores


@pytest.fixture(autouse=True)
def loggers():
    """Undo what MLflow's migrations and commands do to logging: they disable loggers and set levels."""
    logging.getLogger().setLevel(logging.WARNING)
    for logger in logging.Logger.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.disabled = False


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory):
    """Return a folder that all xdist workers of the session share; make things in it under a lock."""
    base = tmp_path_factory.getbasetemp()
    folder = Path(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session", autouse=True)
def empty_store(shared_folder):
    """Have MLflow stores in SQLite begin as copies of an empty one."""
    os.environ[TEMPLATE] = str(shared_folder / "empty" / "mlflow.db")
    copy_empty_stores()


@pytest.fixture(scope="session", autouse=True)
def compositions():
    """Compose the shipped configs once for each choice of groups."""
    remember_compositions()


@pytest.fixture(scope="session")
def text_file(tmp_path_factory):
    """Write 200 short documents of made-up text, one a line."""
    return write_text(tmp_path_factory.mktemp("text") / "documents.jsonl")


@pytest.fixture
def tiny(tmp_path, text_file):
    """Return overrides of a run that trains in about a second, all of it under ``tmp_path``."""
    return tiny_run(text_file, tmp_path)
