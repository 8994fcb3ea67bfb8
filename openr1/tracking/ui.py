"""``openr1-ui``: the MLflow UI on the store of the studies, opened at the runs of one study.

The columns and charts of each study are written into the store first (:mod:`openr1.tracking.views`). A store on a server has
its UI there already, so that only the address is printed.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from openr1.options.guard import guarded
from openr1.system.errors import ConfigError, RunError
from openr1.system.files import check_place

HOST = "127.0.0.1"  # the UI has no password
PORT, DASHBOARD_PORT = 5000, 8080
START_SECONDS = 600.0  # within which a server has to answer
DASHBOARD = "optuna_dashboard"  # the package, of the extra dashboard


def show(uri: str, study: str | None, port: int, browser: bool, searches: Path) -> None:
    """Serve the UI until it is interrupted, and open it at the runs of a study.

    :param study: None for the study with the newest run.
    :param port: first port to try.
    :param searches: SQLite storage of Optuna's searches, for which optuna-dashboard starts if it is installed.
    :raises ConfigError: if there is no store, or no run to show in it.
    :raises RunError: if a server does not start.
    """
    from openr1.tracking.studies import write_views
    from openr1.tracking.study_run import describe_study

    shown = write_views(uri, study)
    describe_study(uri, shown.name, view=False)
    if uri.startswith("http"):
        _announce(shown.address(uri.rstrip("/")), shown.charts(uri.rstrip("/")), browser)
        return
    port = free_port(port)
    root = f"http://{HOST}:{port}"
    with _serving([sys.executable, "-m", "mlflow", *_mlflow_arguments(uri, port)], f"{root}/health") as server:
        _announce(shown.address(root), shown.charts(root), browser)
        with _dashboard(searches):
            if server.wait():
                raise RunError(f"openr1-ui: MLflow ended with status {server.returncode}")


def _mlflow_arguments(uri: str, port: int) -> list[str]:
    # one worker is enough for one person, and starts in half the time of the four that MLflow starts by itself
    return ["server", "--backend-store-uri", uri, "--host", HOST, "--port", str(port), "--workers", "1"]


def _announce(runs: str, charts: str, browser: bool) -> None:
    print(f"runs    {runs}\ncharts  {charts}", flush=True)
    if browser:
        webbrowser.open(runs)


@contextmanager
def _serving(command: list[str], health: str) -> Iterator[subprocess.Popen]:
    """Run a server for as long as the block lasts, which begins when the server answers.

    :raises RunError: if it ends, or does not answer in time.
    """
    # a pipe that nobody reads would stop the server when it is full
    with tempfile.TemporaryFile("w+") as errors:
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        try:
            until = time.monotonic() + START_SECONDS
            while not _answers(health):
                if server.poll() is not None or time.monotonic() > until:
                    errors.seek(0)
                    last = errors.read().strip().splitlines()[-1:]
                    raise RunError(f"openr1-ui: the server did not start: {' '.join(last) or 'it does not answer'}")
                time.sleep(0.2)
            yield server
        finally:
            server.terminate()
            with suppress(subprocess.TimeoutExpired):
                server.wait(10)
            server.kill()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False


@contextmanager
def _dashboard(searches: Path) -> Iterator[None]:
    """Serve Optuna's dashboard beside the block, if there are searches and it is installed."""
    if not searches.exists():
        yield
    elif importlib.util.find_spec(DASHBOARD) is None:
        print("searches are shown by optuna-dashboard, which is not installed: pip install 'openr1[dashboard]'", flush=True)
        yield
    else:
        port = free_port(DASHBOARD_PORT)
        start = "import sys; from optuna_dashboard._cli import main; main()"
        command = [sys.executable, "-c", start, f"sqlite:///{searches}", "--host", HOST, "--port", str(port)]
        with _serving(command, f"http://{HOST}:{port}/dashboard"):
            print(f"searches  http://{HOST}:{port}/dashboard", flush=True)
            yield


def free_port(first: int) -> int:
    """Return a port of this machine that nothing listens to: the first, or any if that one is taken."""
    for port in (first, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that was in use a moment ago is free
            probe.bind((HOST, port))
            return probe.getsockname()[1]
    raise RunError(f"openr1-ui: no port of {HOST} is free")


def main() -> None:
    parser = argparse.ArgumentParser(prog="openr1-ui", description="Open the MLflow UI at the runs of a study.")
    parser.add_argument("study", nargs="?", help="name of the study; default: that of the newest run")
    parser.add_argument("--outputs", default=os.environ.get("OPENR1_OUTPUTS", "outputs"), help="default: %(default)s")
    parser.add_argument("--uri", help="address of the MLflow store; default: MLFLOW_TRACKING_URI, or OUTPUTS/mlflow.db")
    parser.add_argument("--port", type=int, default=PORT, help="another is taken if it is in use; default: %(default)s")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    args = parser.parse_args()

    def command() -> None:
        if not 0 < args.port < 1 << 16:
            raise ConfigError(f"--port: {args.port} is not between 1 and {(1 << 16) - 1}")
        check_place(Path(args.outputs), "--outputs")
        uri = args.uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path(args.outputs)}/mlflow.db"
        with suppress(KeyboardInterrupt):  # the way to end it
            show(uri, args.study, args.port, not args.no_browser, Path(args.outputs) / "optuna.db")

    guarded(command)


if __name__ == "__main__":
    main()
