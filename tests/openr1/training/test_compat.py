"""The private parts of accelerate still are what training takes them for."""

import torch
from accelerate import Accelerator, optimizer

from openr1.training import compat


def test_accelerate_looks_for_lomo_once(monkeypatch):
    looks = []
    monkeypatch.setattr(optimizer, "is_lomo_available", lambda: bool(looks.append(1)))
    prepared = Accelerator(cpu=True).prepare(torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1))
    prepared.step()
    assert len(looks) == 2  # this is what is mended
    compat.look_for_lomo_once()
    compat.look_for_lomo_once()
    for _ in range(3):
        prepared.step()
    assert len(looks) == 3
