"""Links between a run and its reruns in MLflow, as tags of both."""

from __future__ import annotations

from openr1.tracking.store import client, locked_store, run_exists, store_errors


def link_rerun(uri: str, original: str | None, rerun: str, outcome: str) -> None:
    """Tag a finished run with the run that it reproduces, and that one with it, if the store has it.

    :param outcome: of the comparison: ``the same``, ``differs``, or ``overrides``.
    :raises StoreError: if the store refuses it.
    """
    store = client(uri)
    with store_errors(uri), locked_store(uri):
        store.set_tag(rerun, "reproduction", outcome)
        if original is None:
            return
        store.set_tag(rerun, "reproduces", original)
        if run_exists(uri, original):
            known = store.get_run(original).data.tags.get("reproduced_by", "").split()
            store.set_tag(original, "reproduced_by", " ".join([*known, rerun][-100:]))  # MLflow limits the length of a tag
