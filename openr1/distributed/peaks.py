"""Peak FLOPs a second of GPUs, for model FLOPs utilisation.

The values are those of NVIDIA's data sheets for dense products in bfloat16 with sums in float32. The sheets of Hopper and Ada
print twice as much, with 2:4 sparsity. A card that is not listed has no peak here, since a wrong one would give a wrong
utilisation without a word; ``compute.peak_flops`` then takes it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openr1.distributed.options import ComputeConfig

# whole names as torch.cuda.get_device_name has them, so that a part of a card (MIG) is not taken for all of it
BFLOAT16 = {
    r"NVIDIA H100 \d+GB HBM3|NVIDIA H200": 989e12,  # SXM; 1,979 with sparsity
    r"NVIDIA H100 PCIe": 756e12,  # 1,513 with sparsity
    r"NVIDIA B200": 2250e12,
    r"(NVIDIA )?A100-(SXM4|PCIE|PCIe)-\d+GB|NVIDIA A100 80GB PCIe": 312e12,
    r"NVIDIA A10G?": 125e12,
    r"NVIDIA A40": 149.7e12,
    r"NVIDIA L40S": 362.05e12,
    r"NVIDIA L40": 181.05e12,
    r"NVIDIA L4": 121e12,
}


def card_peak(name: str) -> float | None:
    """Return the peak of a card in bfloat16, FLOPs a second; None if it is not known.

    :param name: as ``torch.cuda.get_device_name`` has it.
    """
    return next((peak for pattern, peak in BFLOAT16.items() if re.fullmatch(pattern, name)), None)


def peak_flops(compute: ComputeConfig) -> float | None:
    """Return the peak of one device of a run, FLOPs a second: ``compute.peak_flops``, or that of the GPU in bfloat16.

    None on a processor, in float32, and for a card that is not listed.
    """
    if compute.peak_flops is not None or compute.device != "cuda" or compute.precision != "bfloat16":
        return compute.peak_flops
    import torch

    return card_peak(torch.cuda.get_device_name())
