"""Devices of this machine."""

from __future__ import annotations

from openr1.errors import ConfigError


def require_device(key: str, device: str) -> None:
    """Refuse a device that this machine does not have.

    :param key: of the device in the config.
    :raises ConfigError: for cuda where torch finds no GPU.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"{key}: cuda needs a GPU, and torch finds none on this machine; cpu is allowed")
