"""The Hugging Face Hub: one question finds out if it answers, since its libraries try for minutes before they say so."""

from __future__ import annotations

import os
import re
import sys
import threading
import urllib.error
import urllib.request
from functools import cache
from pathlib import Path

SECONDS = 5.0  # for an answer
OFFLINE = "HF_HUB_OFFLINE"
HUB_ID = re.compile(r"[\w.-]*\w[\w.-]*(/[\w.-]+)?")  # a name, or an owner and a name; a path from / or ~ is none


def look_for_hub(name: str | Path) -> None:
    """Have the libraries of the Hub use their caches alone if it does not answer. One line says so, once a process.

    :param name: of a model or data set; nothing is asked for one that is a path.
    """
    if HUB_ID.fullmatch(str(name)) and not Path(name).exists() and not os.environ.get(OFFLINE):
        _decide(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))


@cache
def _decide(endpoint: str) -> None:
    if answers(endpoint):
        return
    print(f"warning: {endpoint} does not answer; only what is in the cache of the Hub is used", file=sys.stderr, flush=True)
    os.environ[OFFLINE] = "1"  # for libraries that are imported later, and for processes that are started
    for library in ("huggingface_hub.constants", "datasets.config"):
        if module := sys.modules.get(library):
            vars(module)[OFFLINE] = True


def answers(address: str, seconds: float = SECONDS) -> bool:
    """Tell whether a server answers in time, whatever it says. The search for its name counts too, which has no time limit."""
    found = threading.Event()

    def ask() -> None:
        try:
            with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=seconds):
                found.set()
        except urllib.error.HTTPError:
            found.set()  # it answers, with an error
        except (OSError, ValueError):
            pass

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return found.is_set()
