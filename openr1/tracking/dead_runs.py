"""Runs whose process died without a word, as by a kill or a loss of power: the next command ends them in the store.

A run names its process in a tag. Only a process of this machine is known to have ended, so that a run of another machine, of
another container, or of a live process is never touched.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress

from openr1.system.errors import StoreError
from openr1.system.processes import current_process, has_ended
from openr1.tracking import sqlite
from openr1.tracking.options import TrackingConfig
from openr1.tracking.store import client, locked_store, search_runs, store_errors

HOST, PROCESS = "host", "process"  # tags
DIED = "its process died without a word"


def process_tags() -> dict[str, str]:
    """Return the tags that name the process of a run."""
    process = current_process()
    return {HOST: process["host"], PROCESS: json.dumps(process)}


def end_dead_runs(config: TrackingConfig) -> list[str]:
    """Set the runs of this machine whose processes have ended, and that are still RUNNING, to KILLED.

    :returns: their ids. A store that does not exist, or does not answer, has none.
    """
    path = sqlite.path_of(config.uri)
    if path and not path.exists():
        return []
    ended: list[str] = []
    with suppress(StoreError):
        with store_errors(config.uri):
            experiment = client(config.uri).get_experiment_by_name(config.experiment)
        if experiment is None:
            return []
        here = {HOST: current_process()["host"]}
        running = search_runs(config.uri, [experiment.experiment_id], here, "attributes.status = 'RUNNING'")
        for run_id in [run.info.run_id for run in running if _is_dead(run.data.tags)]:
            with store_errors(config.uri), locked_store(config.uri):  # another process may be resuming it
                run = client(config.uri).get_run(run_id)
                if run.info.status == "RUNNING" and _is_dead(run.data.tags):
                    for key, value in {"failure": DIED, "status": "killed"}.items():
                        client(config.uri).set_tag(run_id, key, value)
                    client(config.uri).set_terminated(run_id, "KILLED")
                    ended.append(run_id)
    return ended


def _is_dead(tags: Mapping[str, str]) -> bool:
    return PROCESS in tags and has_ended(json.loads(tags[PROCESS]))
