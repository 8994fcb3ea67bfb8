"""Devices of this machine, and of the processes of a run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    from openr1.config.schema import Config


def require_device(key: str, device: str) -> None:
    """Refuse a device that this machine does not have.

    :param key: of the device in the config.
    :raises ConfigError: for cuda where torch finds no GPU.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"{key}: cuda needs a GPU, and torch finds none on this machine; cpu is allowed")


def wait_for_device(device: str) -> None:
    """Wait until a GPU has done what it was given, since it works while the program goes on; a processor has done it."""
    if device == "cuda":
        import torch

        torch.cuda.synchronize()


def asking_device(config: Config) -> str:
    """Return the device of each engine of a stage that asks a model: ``engine.device``; vLLM takes a GPU if there is one."""
    device = getattr(config.engine, "device", None)
    if device is None:
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
    return device


def keep_own_gpu(rank: int) -> None:
    """Hide all GPUs from this process but that of its rank, which has the number 0 from then on, for every library.

    It must be called before CUDA is initialised.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    os.environ["CUDA_VISIBLE_DEVICES"] = visible.split(",")[rank] if visible else str(rank)


def use_own_device(device: str) -> None:
    """Make the GPU of this rank the one that ``cuda`` names in this process."""
    import torch

    if device == "cuda" and "LOCAL_RANK" in os.environ:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
