"""Peak memory of a run."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class PeakMemory:
    """Peak memory of this process since the object was made: GPU memory allocated by torch, or resident memory.

    Resident memory includes libraries and data, since one allocator serves the whole process. A process that runs several
    trials measures the peak of each if the kernel can reset it (Linux); elsewhere it is the peak of the process so far.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        if device == "cuda":
            import torch

            torch.cuda.reset_peak_memory_stats()
            return
        try:
            RESET.write_text("5")  # proc(5): resets the peak to the resident memory of now
        except OSError:
            return

    def bytes(self) -> int:
        """Return the peak in bytes."""
        if self.device == "cuda":
            import torch

            return torch.cuda.max_memory_allocated()
        try:
            (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
            return 1024 * int(line.split()[1])
        except (OSError, ValueError):
            unit = 1 if sys.platform == "darwin" else 1024
            return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
