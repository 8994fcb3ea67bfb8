"""Commands that are disturbed at random moments, and what must be true of them afterwards."""

from __future__ import annotations

import difflib
import os
import pprint
import random
import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import psutil

from helpers.cli import Command
from openr1.system.artifacts import Store
from openr1.tracking import mlflow as tracking

LITTER_SECONDS = 30  # a killed command's processes have this long to notice it and end
# figures that differ from one time to the next
TIMED = re.compile(r"second|hours|mfu|memory|\b(rollout|score|update)_share$")
RUN_ID = re.compile(r"[0-9a-f]{32}")
# logs of each command, stores of reproductions, which are named by the time, why an attempt failed, and what a killed process
# left of a store that it made: the next one to make it deletes that, but tests copy an empty store in its place
UNCOMPARED = re.compile(r"(multi)?runs/|reproductions/|.*/failure\.txt$|\.mlflow\.db\.making(-journal)?$")


def kill_all(started: Command, _: random.Random) -> None:
    """Kill a command with all its processes, as a machine that fails does."""
    for process in processes_of(started):
        with suppress(psutil.Error):
            process.kill()


def kill_one(started: Command, rng: random.Random) -> None:
    """Kill one process of a command, the first or any other, as a system without memory does."""
    with suppress(psutil.Error, IndexError):
        rng.choice(processes_of(started)).kill()


def terminate(started: Command, _: random.Random) -> None:
    """Ask a command to end."""
    with suppress(ProcessLookupError):
        os.kill(started.pid, signal.SIGTERM)


def stop_for_a_while(started: Command, rng: random.Random) -> None:
    """Stop a process of a command for up to three seconds, and let it go on."""
    with suppress(psutil.Error, IndexError):
        process = rng.choice(processes_of(started))
        process.suspend()
        time.sleep(rng.uniform(0, 3))
        process.resume()


FAULTS: dict[str, Callable[[Command, random.Random], None]] = {
    "SIGKILL to all": kill_all,
    "SIGKILL to one": kill_one,
    "SIGTERM": terminate,
    "SIGSTOP": stop_for_a_while,
}


@dataclass(frozen=True)
class Kind:
    """A kind of command.

    :ivar words: of the command; ``@run`` and ``@sft`` stand for the run and the artifact that a command before it made.
    :ivar before: commands that make what it needs; they are not disturbed.
    :ivar at_once: so many processes run the command at once, and about half of them are disturbed.
    """

    name: str
    words: list[str]
    before: list[list[str]] = field(default_factory=list)
    at_once: int = 1


@dataclass
class Whole:
    """A kind of command that nothing disturbed: what it made, and its seconds."""

    kind: Kind
    words: list[str]
    place: Path  # the folder that it runs in, always the same, since stores hold absolute paths
    base: Path  # a copy of that folder when only the commands before it had run
    made: dict[str, Any]
    seconds: float


def undisturbed(kind: Kind, folder: Path) -> Whole:
    """Run a kind of command once, in a folder within this one."""
    place, base = folder / "place", folder / "base"
    place.mkdir(parents=True)
    _end_well(["openr1", "--help"], place)  # the first command waits for the process that others are forked from
    for words in kind.before:
        _end_well(words, place)
    shutil.copytree(place, base)
    words = [_with_names(word, place / "outputs") for word in kind.words]
    begin = time.monotonic()
    _end_well(words, place)
    return Whole(kind, words, place, base, made_in(place / "outputs"), time.monotonic() - begin)


def live(whole: Whole, rng: random.Random, faults: list[str], met: Counter[str]) -> None:
    """Disturb a command by each fault, run it to its end, and compare what it made with what it makes undisturbed.

    :param met: counts the faults by kind. A command that ended before its fault counts as none.
    """
    folder = whole.place
    shutil.rmtree(folder)
    shutil.copytree(whole.base, folder)
    seconds = whole.seconds
    for fault in faults:
        commands = [Command(*whole.words, cwd=folder) for _ in range(whole.kind.at_once)]
        chosen = commands if len(commands) == 1 else rng.sample(commands, len(commands) // 2)
        until = time.monotonic() + rng.uniform(0, seconds)
        while time.monotonic() < until and any(each.poll() is None for each in chosen):
            time.sleep(0.01)
        for started in chosen:
            if started.poll() is None:
                FAULTS[fault](started, rng)
                met[fault] += 1
            else:  # what is left to do is shorter
                seconds /= 2
        for started in commands:
            _check_end(started, fault if started in chosen else None)
        _check_no_process(folder)
    for _ in range(2):  # what one run of the command leaves for the next is done then too
        _end_well(whole.words, folder)
    _check_no_process(folder)
    compare(made_in(folder / "outputs"), whole.made)


def _with_names(word: str, outputs: Path) -> str:
    """Put the names of what is in the folder in place of those that begin with an @."""

    def name(match: re.Match[str]) -> str:
        if match[1] == "run":
            return tracking.read_runs(f"sqlite:///{outputs}/mlflow.db", None)[0].run_id
        (path,) = [path for path in Store(outputs / "artifacts").folders() if path.name.startswith(f"{match[1]}-")]
        return path.name

    return re.sub(r"@(\w+)", name, word)


def compare(made: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Compare what was made, and say how it differs.

    :raises AssertionError: if it does.
    """
    for name in wanted:
        lines = [pprint.pformat(each[name], width=120).splitlines() for each in (wanted, made)]
        changes = difflib.unified_diff(*lines, "undisturbed", "disturbed", lineterm="")
        assert made[name] == wanted[name], "\n".join([name, *changes])


def made_in(outputs: Path) -> dict[str, Any]:
    """Return what commands have left in a folder, without what differs from one time to the next.

    :raises AssertionError: if a run or trial is still under way.
    """
    artifacts = [artifact for path in Store(outputs / "artifacts").folders() if (artifact := Store(path.parent).get(path.name))]
    made: dict[str, Any] = {
        "artifacts": {each.name: _results(each.hashes) for each in artifacts},
        "curves": {each.name: [_untimed(row) for row in each.history()] for each in artifacts},
        "files": sorted({_without_ids(path.relative_to(outputs)) for path in outputs.rglob("*") if path.is_file()} - {None}),
    }
    if (outputs / "mlflow.db").exists():
        runs = tracking.read_runs(f"sqlite:///{outputs}/mlflow.db", None, status=None)
        assert {run.status for run in runs} <= {"FINISHED"}, [(run.status, run.tags.get("stage")) for run in runs]
        names = ("study", "stage", "trial", "scale", "seed")
        rows = [({name: run.tags.get(name) for name in names}, _untimed(run.metrics)) for run in runs]
        # each attempt at a reproduction is a run of its own, also one that is killed between its run and its end
        again = [row for row in rows if (row[0]["trial"] or "").startswith("reproduces ")]
        others = [row for row in rows if row not in again]
        made["runs"] = sorted([*others, *(row for i, row in enumerate(again) if row not in again[:i])], key=repr)
    if (outputs / "optuna.db").exists():
        storage = f"sqlite:///{outputs}/optuna.db"
        studies = {name: optuna.load_study(study_name=name, storage=storage) for name in optuna.get_all_study_names(storage)}
        trials = {name: [each for each in study.trials if each.state.name != "FAIL"] for name, study in studies.items()}
        made["trials"] = {
            name: sorted((each.state.name, sorted(each.params.items()), each.values) for each in given)
            for name, given in trials.items()
        }
    return made


def _results(hashes: dict[str, str]) -> dict[str, str]:
    return {path: value for path, value in hashes.items() if path.startswith(("model/", "data/"))}


def _untimed(row: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in row.items() if not TIMED.search(name)}


def _without_ids(path: Path) -> str | None:
    text = path.as_posix()
    return None if UNCOMPARED.match(text) else RUN_ID.sub("RUN", text)


def processes_of(started: Command) -> list[psutil.Process]:
    """Return the processes of a command, itself first."""
    with suppress(psutil.Error):
        first = psutil.Process(started.pid)
        return [first, *first.children(recursive=True)]
    return []


def _check_end(started: Command, fault: str | None) -> None:
    done = started.finish()
    allowed = {None: {0}, "SIGSTOP": {0}, "SIGTERM": {0, 143, -signal.SIGTERM}}.get(fault, {0, 1, -signal.SIGKILL})
    told = f"{' '.join(started.words)} after {fault}: {done.returncode}\n{done.stderr}"
    assert done.returncode in allowed, told
    assert "Traceback" not in done.stderr, told


def _end_well(words: list[str], folder: Path) -> None:
    done = Command(*words, cwd=folder).finish()
    told = f"{' '.join(words)}: {done.returncode}\n{done.stderr}"
    assert done.returncode == 0, told
    assert "Traceback" not in done.stderr, told


def _check_no_process(folder: Path) -> None:
    """Wait until no process works in the folder."""
    until = time.monotonic() + LITTER_SECONDS
    while left := [process for process in psutil.process_iter() if _works_in(process, folder)]:
        assert time.monotonic() < until, [process.cmdline() for process in left]
        time.sleep(0.1)


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return Path(process.cwd()).is_relative_to(folder) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
