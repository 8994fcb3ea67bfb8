"""Runs tracked on a server: MLflow with users and passwords on PostgreSQL, behind a reverse proxy that adds a path."""

import importlib.util
import os
import shutil
import subprocess
import sys
import time
import urllib.request

import pytest
import requests
from helpers.cli import command, succeed
from helpers.configs import tiny_run
from helpers.postgres import free_port, postgres_server

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("tracking_server")]

ADMIN = {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": "a password of 1"}
READER = {"MLFLOW_TRACKING_USERNAME": "reader", "MLFLOW_TRACKING_PASSWORD": "a password of 2"}
START_SECONDS = 300
AUTH = """[mlflow]
default_permission = READ
database_uri = sqlite:///{folder}/users.db
admin_username = {MLFLOW_TRACKING_USERNAME}
admin_password = {MLFLOW_TRACKING_PASSWORD}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
"""
PROXY = """pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
daemon off;
events {{}}
http {{
  access_log off;
  client_max_body_size 0;
  server {{
    listen 127.0.0.1:{port};
    location /tracking/ {{ proxy_pass http://127.0.0.1:{behind}/; proxy_set_header Host $host:$server_port; }}
  }}
}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Start the database, MLflow and the proxy, and return the address that users see."""
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if nginx is None or importlib.util.find_spec("flask_wtf") is None:
        pytest.skip("no nginx, or no mlflow[auth], on this machine")
    folder = tmp_path_factory.mktemp("server")
    with postgres_server() as database:
        (folder / "auth.ini").write_text(AUTH.format(folder=folder, **ADMIN))
        port, behind = free_port(), free_port()
        (folder / "nginx.conf").write_text(PROXY.format(folder=folder, port=port, behind=behind))
        words = ["--app-name", "basic-auth", "--host", "127.0.0.1", "--port", behind, "--workers", 1, "--allowed-hosts", "*"]
        words += ["--backend-store-uri", database.replace("postgresql:", "postgresql+psycopg2:")]
        words += ["--artifacts-destination", folder / "artifacts"]
        secrets = {"MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"), "MLFLOW_FLASK_SERVER_SECRET_KEY": "secret"}
        commands = [[sys.executable, "-m", "mlflow", "server", *map(str, words)], [nginx, "-c", str(folder / "nginx.conf")]]
        with open(folder / "server.log", "w") as log:
            running = [
                subprocess.Popen(words, cwd=folder, env={**os.environ, **secrets}, stdout=log, stderr=log) for words in commands
            ]
        address = f"http://127.0.0.1:{port}/tracking"
        try:
            wait_for(f"{address}/health", folder / "server.log")
            users = f"{address}/api/2.0/mlflow/users/create"
            reader = {"username": READER["MLFLOW_TRACKING_USERNAME"], "password": READER["MLFLOW_TRACKING_PASSWORD"]}
            requests.post(users, json=reader, auth=tuple(ADMIN.values()), timeout=60).raise_for_status()
            yield address
        finally:
            for process in reversed(running):
                process.terminate()
                process.wait(60)


def wait_for(url, log):
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            assert time.monotonic() < until, log.read_text()
        time.sleep(0.5)


@pytest.fixture(scope="module")
def words(tmp_path_factory, text_file):
    """Return the overrides of a study of two small runs whose store the environment names."""
    folder = tmp_path_factory.mktemp("work")
    overrides = [word for word in tiny_run(text_file, folder) if not word.startswith("tracking.")]
    return [*overrides, "tracking=server", "study=remote"], folder


@pytest.fixture(scope="module")
def study(server, words):
    """Make the study, and return what the command wrote."""
    overrides, folder = words
    return succeed("openr1", "-m", *overrides, "seed=1,2", cwd=folder, MLFLOW_TRACKING_URI=server, **ADMIN)


def test_a_study_is_tracked_read_fitted_and_shown(server, words, study):
    _, folder = words
    env = {"MLFLOW_TRACKING_URI": server, **ADMIN}
    assert "View run" not in study.stdout + study.stderr  # of MLflow, for each run
    status = succeed("openr1-plan", "status=remote", f"paths.outputs={folder}/outputs", "tracking=server", cwd=folder, **env)
    assert status.stdout.count("done") >= 2
    shown = succeed("openr1-ui", "remote", "--no-browser", cwd=folder, **env)
    assert shown.stdout.count(f"{server}/#/experiments/") == 2
    found = requests.post(
        f"{server}/api/2.0/mlflow/runs/search",
        json={"experiment_ids": ["1"], "filter": "tags.study = 'remote'"},
        auth=tuple(ADMIN.values()),
        timeout=60,
    ).json()["runs"]
    assert {run["info"]["status"] for run in found} == {"FINISHED"}
    assert sum(any(metric["key"] == "eval_loss" for metric in run["data"]["metrics"]) for run in found) >= 2
    # the artifacts went through the server
    assert all(run["info"]["artifact_uri"].startswith("mlflow-artifacts:") for run in found)


def test_a_reader_cannot_track_and_is_told_so(server, words, study):
    overrides, folder = words
    done = command("openr1", *overrides, "seed=3", "study=mine", cwd=folder, MLFLOW_TRACKING_URI=server, **READER)
    assert done.returncode == 1
    assert "does not permit this to the user" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("given", [{}, {**ADMIN, "MLFLOW_TRACKING_PASSWORD": "another"}], ids=["nothing", "wrong password"])
def test_a_user_without_the_password_is_told_how_to_give_one(server, words, given):
    overrides, folder = words
    done = command("openr1", *overrides, cwd=folder, MLFLOW_TRACKING_URI=server, **given)
    assert done.returncode == 2
    assert "MLFLOW_TRACKING_USERNAME" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_address_without_a_server_is_one_line(server, words):
    overrides, folder = words
    elsewhere = server.replace("/tracking", "/nowhere")
    done = command("openr1", *overrides, cwd=folder, MLFLOW_TRACKING_URI=elsewhere, **ADMIN)
    assert done.returncode == 2
    assert "no MLflow server answers at this address" in done.stderr
