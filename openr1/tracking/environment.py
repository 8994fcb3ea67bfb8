"""Facts about the machine and the code, recorded with every tracked run."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

GPU_DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # NVIDIA, AMD, and a GPU under Windows (WSL)


def environment() -> dict[str, Any]:
    """Return what a rerun is compared with: the versions of Python and of every installed distribution, the platform, the
    hardware, the number of processors, the commit, a hash of what was not committed, and the current directory.
    """
    facts: dict[str, Any] = {"python": platform.python_version(), "platform": platform.platform(), "packages": packages()}
    facts |= {"hardware": hardware(), "cpus": os.cpu_count(), "git_commit": git_commit(), "uncommitted": uncommitted()}
    return facts | {"directory": os.getcwd()}


@functools.cache
def packages() -> dict[str, str]:
    """Return the version of every installed distribution, by name."""
    return dict(sorted((dist.metadata["Name"], dist.version) for dist in importlib.metadata.distributions()))


@functools.cache
def hardware() -> str:
    """Return the name and number of the GPUs that torch sees, or of the processor's cores."""
    if any(Path(driver).exists() for driver in GPU_DRIVERS):  # importing torch takes seconds
        import torch

        if torch.cuda.is_available():
            return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return f"{os.cpu_count()} x {model or platform.machine()}"


def _git(*command: str) -> str:
    here = Path(__file__).parent
    return subprocess.run(["git", "-C", str(here), *command], capture_output=True, text=True, check=True).stdout.strip()


@functools.cache
def git_commit() -> str:
    """Return the commit of this code, with ``-dirty`` if tracked files differ from it; ``unknown`` for an installed wheel."""
    try:
        tracked = _git("ls-files", "--error-unmatch", Path(__file__).name)
        return _git("rev-parse", "HEAD") + ("-dirty" if tracked and _git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


@functools.cache
def uncommitted() -> str | None:
    """Return a hash of how tracked files differ from the commit; None if they do not, or if there is no commit."""
    if not git_commit().endswith("-dirty"):
        return None
    root = _git("rev-parse", "--show-toplevel")
    return hashlib.sha256(_git("-C", root, "diff", "--binary", "HEAD").encode()).hexdigest()[:16]
