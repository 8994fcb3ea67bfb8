"""The most memory that a run has needed."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class PeakMemory:
    """The peak of one process since this was made: of the GPU's memory that torch has allocated, or of resident memory.

    Resident memory is that of the whole process, of libraries and data too, since one allocator serves all. A process that runs
    one trial after another has a peak for each, where the kernel lets it begin again (Linux); elsewhere it is that of the
    process so far.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        if device == "cuda":
            import torch

            torch.cuda.reset_peak_memory_stats()
            return
        try:
            RESET.write_text("5")  # proc(5): sets the peak to what is resident now
        except OSError:
            return

    def bytes(self) -> int:
        if self.device == "cuda":
            import torch

            return torch.cuda.max_memory_allocated()
        try:
            (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
            return 1024 * int(line.split()[1])
        except (OSError, ValueError):
            unit = 1 if sys.platform == "darwin" else 1024
            return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
