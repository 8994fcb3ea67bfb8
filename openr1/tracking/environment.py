"""Facts about the machine and the code, recorded with every tracked run."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

GPU_DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # NVIDIA, AMD, and a GPU under Windows (WSL)


@functools.cache
def environment() -> dict[str, Any]:
    """Return the versions of Python and of every installed distribution, and the platform."""
    packages = {dist.metadata["Name"]: dist.version for dist in importlib.metadata.distributions()}
    return {"python": platform.python_version(), "platform": platform.platform(), "packages": dict(sorted(packages.items()))}


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


@functools.cache
def git_commit() -> str:
    """Return the commit of this code, with ``-dirty`` if tracked files differ from it; ``unknown`` for an installed wheel."""
    here = Path(__file__).parent

    def git(*command: str) -> str:
        return subprocess.run(["git", "-C", str(here), *command], capture_output=True, text=True, check=True).stdout.strip()

    try:
        tracked = git("ls-files", "--error-unmatch", Path(__file__).name)
        return git("rev-parse", "HEAD") + ("-dirty" if tracked and git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
