"""Devices of this machine."""

from __future__ import annotations

import os

from openr1.errors import ConfigError


def require_device(key: str, device: str) -> None:
    """Refuse a device that this machine does not have.

    :param key: of the device in the config.
    :raises ConfigError: for cuda where torch finds no GPU.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"{key}: cuda needs a GPU, and torch finds none on this machine; cpu is allowed")


def use_own_device(device: str) -> None:
    """Make the GPU of this rank the one that ``cuda`` names in this process; on one process it is the first."""
    import torch

    if device == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
