"""Changes of a whole search in its storage: another name, or deleted. Both can be repeated after a kill."""

from __future__ import annotations

import optuna

from openr1.sweeps.optuna.storage import is_missing_file, open_storage


def rename_search(url: str, name: str, to: str) -> None:
    """Give a search another name: its trials are copied, since Optuna cannot rename, and the first copy is deleted last.

    :raises ConfigError: for a storage that cannot be opened.
    """
    names = search_names(url)
    if name not in names:
        return
    storage = open_storage(url)
    if to in names:  # a copy that was interrupted
        optuna.delete_study(study_name=to, storage=storage)
    optuna.copy_study(from_study_name=name, from_storage=storage, to_storage=storage, to_study_name=to)
    optuna.delete_study(study_name=name, storage=storage)


def delete_search(url: str, name: str) -> None:
    """Delete a search and its trials, if it is there.

    :raises ConfigError: for a storage that cannot be opened.
    """
    if name in search_names(url):
        optuna.delete_study(study_name=name, storage=open_storage(url))


def search_names(url: str) -> list[str]:
    """Return the names of the searches in a storage; none where it is not there, and it is not made.

    :raises ConfigError: for a storage that cannot be opened.
    """
    return [] if is_missing_file(url) else optuna.get_all_study_names(open_storage(url))
