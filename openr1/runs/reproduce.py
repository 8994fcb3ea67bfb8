"""``openr1-reproduce``: rerun a finished run, recipe or study, and compare it with the original figure by figure."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NoReturn

from openr1.config.schema import register
from openr1.options.guard import guarded
from openr1.system.errors import ConfigError
from openr1.system.files import check_place, write_json
from openr1.system.packages import require
from openr1.system.terminal import console as console_of

if TYPE_CHECKING:
    from openr1.runs.record import RunRecord
    from openr1.runs.reproduction.origins import Origin
    from openr1.runs.reproduction.rerun import Place, PlannedRerun

USAGE = "openr1-reproduce RUN [OVERRIDE ...] | --study NAME | --recipe RUN | FILE.zip | --export RUN|STUDY FILE.zip"
HELP = """\
Rerun a finished run, a recipe or a study in a store of its own, and compare it with the original figure by figure.

RUN is the id or name of a tracked run, STUDY/TRIAL, an artifact, the folder of a run in outputs/runs, or a bundle. The exit
status is 0 where all figures are the same or overrides were given, 3 where figures differ, and 2 for a run that is not known.
"""
DIFFERS = 3  # exit status


@dataclass(frozen=True)
class Target:
    """The runs to reproduce.

    :ivar study: the name of the study that the runs are; None for one run.
    :ivar notes: lines that are printed first.
    """

    runs: list[RunRecord]
    study: str | None
    origins: list[Origin]
    notes: list[str] = field(default_factory=list)


def reproduce(target: Target, overrides: Sequence[str], outputs: Path, uri: str, strict: bool) -> int:
    """Rerun and compare, and return the exit status.

    :raises ConfigError: if a run is impossible; with ``strict`` also if anything differs before a run is made.
    """
    from openr1.runs.reproduction import terminal
    from openr1.runs.reproduction.rerun import Reruns, place_of, plan_rerun, run_all

    console = console_of()
    for note in target.notes:
        console.print(note, soft_wrap=True, markup=False)
    check_place(outputs, "--outputs")
    place = place_of(target.study or target.runs[0].key, overrides, outputs, uri)
    plans = [plan_rerun(run, place, overrides) for run in target.runs]
    _show_plans(target, plans)
    differing = list(dict.fromkeys(str(difference) for plan in plans for difference in plan.differences))
    if strict and differing:
        more = f"; and {len(differing) - 3} more" if len(differing) > 3 else ""
        raise ConfigError(f"--strict: nothing was run, since this differs: {'; '.join(differing[:3])}{more}")
    place.begin()
    reruns = Reruns(place, target.origins, plans)
    if target.study is None:
        comparisons = [reruns.run(plans[0])]
        terminal.show_figures(comparisons[0], console)
        terminal.show_verdict(comparisons[0], console)
    else:
        comparisons = run_all(reruns, lambda line: print(line, file=sys.stderr, flush=True))
        terminal.show_study(target.study, comparisons, console)
        if overrides and not all(one.is_same for one in comparisons):
            console.print("Overrides were given, so that figures may differ: this is no failure.", soft_wrap=True)
    _keep(place, target, comparisons)
    console.print(f"tracked  study {place.study!r} in {uri}; artifacts in {place.folder}", soft_wrap=True, markup=False)
    failed = any(one.failure for one in comparisons)
    return 0 if all(one.is_same for one in comparisons) or (overrides and not failed) else DIFFERS


def _show_plans(target: Target, plans: Sequence[PlannedRerun]) -> None:
    from openr1.runs.reproduction import terminal

    console = console_of()
    if target.study is None:
        run = target.runs[0]
        known = f"run {run.run_id} of study {run.study!r}" if run.run_id else f"of study {run.study!r}"
        console.print(f"reproduces {run.name}, {known}", soft_wrap=True, markup=False)
        terminal.show_plan(plans[0], console)
        return
    console.print(f"reproduces {len(plans)} runs of study {target.study}", soft_wrap=True, markup=False)
    for line in dict.fromkeys(line for plan in plans for line in plan.changed):
        console.print(f"override  {line}", soft_wrap=True, markup=False)
    terminal.show_differences(list(dict.fromkeys(str(each) for plan in plans for each in plan.differences)), console)


def _keep(place: Place, target: Target, comparisons: Sequence) -> None:
    """Write the comparison beside the rerun, and track it in the study of the reproduction."""
    from openr1.runs.reproduction.rerun import RESULT
    from openr1.tracking.mlflow import log_study
    from openr1.tracking.options import TrackingConfig

    path = place.folder / RESULT
    content = [asdict(one) for one in comparisons]
    write_json(path.with_name(f"partial-{RESULT}"), content)
    counts = {
        "runs_compared": float(len(comparisons)),
        "runs_the_same": float(sum(one.is_same for one in comparisons)),
        "figures_compared": float(sum(one.figures for one in comparisons)),
        "figures_differing": float(sum(len(one.differing) for one in comparisons)),
    }
    tags = {"reproduces": target.study or target.runs[0].run_id or target.runs[0].name}
    os.replace(path.with_name(f"partial-{RESULT}"), path)
    experiment = target.runs[0].config["tracking"].get("experiment", "openr1")
    log_study(TrackingConfig(place.uri, None, experiment), place.study, [path], counts, tags)


def find_target(args: argparse.Namespace, uri: str, scratch: Path) -> Target:
    """Find what a command line names.

    :raises ConfigError: if it is not there.
    """
    from openr1.runs.reproduction.bundle import SUFFIX, unpack_bundle
    from openr1.runs.reproduction.origins import FolderOrigin, find_run, find_study

    what = args.export[0] if args.export else args.study or args.words[0]
    if what.endswith(SUFFIX) and Path(what).is_file():
        fingerprints, study = unpack_bundle(Path(what), scratch / "bundle")
        inside = FolderOrigin(scratch / "bundle")
        known = {run.fingerprint: run for run in inside.records}
        runs = [known[fingerprint] for fingerprint in fingerprints if fingerprint in known]
        return Target(runs, study, [inside, *_origins(uri, Path(args.outputs), scratch)], _of_plan(study, [inside]))
    origins = _origins(uri, Path(args.outputs), scratch)
    if Path(what).is_dir() and (beside := _outputs_around(Path(what))):
        origins.append(FolderOrigin(beside))
    if args.study or (args.export and _is_study(what, origins)):
        runs, unfinished = find_study(what, origins)
        notes = [*_of_plan(what, origins), *(f"not reproduced: {line}" for line in unfinished)]
        return Target(runs, what, origins, notes)
    run = find_run(what, origins)
    if args.recipe:
        whole = next((found for origin in origins if (found := origin.recipe_of(run))), None)
        if whole is None:
            raise ConfigError(f"--recipe: {what} is no recipe and no stage of one")
        run = whole
    return Target([run], None, origins)


def _origins(uri: str, outputs: Path, scratch: Path) -> list[Origin]:
    from openr1.runs.reproduction.origins import FolderOrigin
    from openr1.runs.reproduction.tracked import TrackedOrigin

    path = uri.removeprefix("sqlite:///")
    store: list[Origin] = [TrackedOrigin(uri, scratch)] if path == uri or Path(path).exists() else []
    return [*store, FolderOrigin(outputs)]


def _outputs_around(folder: Path) -> Path | None:
    """Return the folder of outputs that a folder lies in."""
    parents = folder.absolute().parents
    return next((each for each in parents if (each / "artifacts").is_dir() or (each / "studies").is_dir()), None)


def _is_study(name: str, origins: Sequence[Origin]) -> bool:
    from openr1.runs.reproduction.origins import ID, first_known

    if ID.fullmatch(name) or Path(name).is_dir():
        return False
    return bool(first_known(origins, lambda origin: origin.study(name)[0]))


def _of_plan(study: str | None, origins: Sequence[Origin]) -> list[str]:
    """Return lines about the plan of a study, if it has one."""
    from openr1.system.records import read_json

    path = next((found for origin in origins if (found := origin.plan(study))), None) if study else None
    if path is None:
        return []
    plan = read_json(path)
    count = f"; its plan has {len(plan['runs'])} runs" if "runs" in plan else ""
    return [f"study {study} was made by: {plan['command']}{count}"]


def export(target: Target, path: Path, weights: bool) -> None:
    """Write a bundle.

    :raises ConfigError: for a file that is no ``.zip``, or a place that cannot be written.
    """
    from openr1.runs.reproduction.bundle import SUFFIX, write_bundle

    if path.suffix != SUFFIX:
        raise ConfigError(f"--export: {path} does not end in {SUFFIX}")
    check_place(path.parent, "--export")
    gone = write_bundle(path, target.runs, target.study, target.origins, weights)
    for name in gone:
        print(f"openr1-reproduce: {name} is gone, so that its weights are not in the bundle", file=sys.stderr)
    print(f"wrote {path}: {len(target.runs)} run{'s' * (len(target.runs) > 1)}; openr1-reproduce {path} reproduces it")


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}; usage: {USAGE}", file=sys.stderr)
        sys.exit(2)


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(prog="openr1-reproduce", usage=USAGE, description=HELP, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="RUN [OVERRIDE ...]", help="as for openr1: optim.lr=1e-3 scale=200k")
    parser.add_argument("--study", metavar="NAME", help="rerun all finished runs of a study")
    parser.add_argument("--recipe", action="store_true", help="RUN is a recipe, or a stage of one: rerun all its stages")
    parser.add_argument("--strict", action="store_true", help="refuse if code, packages, data or machine differ")
    parser.add_argument("--export", nargs=2, metavar=("RUN|STUDY", "FILE.zip"), help="write a bundle for another machine")
    parser.add_argument("--weights", action="store_true", help="with --export: put the artifacts in too")
    parser.add_argument("--outputs", default=os.environ.get("OPENR1_OUTPUTS", "outputs"), help="default: %(default)s")
    parser.add_argument("--uri", help="address of the MLflow store; default: MLFLOW_TRACKING_URI, or OUTPUTS/mlflow.db")
    args = parser.parse_intermixed_args(words)
    if not (args.words or args.study or args.export):
        print(f"usage: {USAGE}", file=sys.stderr)
        sys.exit(2)
    if args.export and args.words:
        parser.error(f"--export takes a run or a study and a file, not {args.words[0]}")
    if args.weights and not args.export:
        parser.error("--weights belongs to --export")
    return args


def run(words: Sequence[str]) -> int:
    """Run a command line and return the exit status.

    :raises ConfigError: for a run, a study or an override that does not exist.
    """
    args = _parse(words)
    require("torch")
    uri = args.uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path(args.outputs).absolute()}/mlflow.db"
    overrides = args.words if args.study else args.words[1:]
    with TemporaryDirectory() as scratch:
        target = find_target(args, uri, Path(scratch))
        if args.export:
            export(target, Path(args.export[1]), args.weights)
            return 0
        return reproduce(target, overrides, Path(args.outputs), uri, args.strict)


def main() -> None:
    """Run the command ``openr1-reproduce``."""
    register()
    status: list[int] = []
    guarded(lambda: status.append(run(sys.argv[1:])))
    sys.exit(status[0] if status else 0)
