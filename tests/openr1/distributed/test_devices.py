import torch

from openr1.distributed.devices import own_device, wait_for_device
from openr1.distributed.options import ComputeConfig


def test_each_process_has_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr("torch.cuda.current_device", lambda: 2)
    assert own_device(ComputeConfig()) == torch.device("cpu")
    assert own_device(ComputeConfig(device="cuda")) == torch.device("cuda", 2)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert own_device(ComputeConfig(device="cuda", processes=4, strategy="zero3")) == torch.device("cuda", 1)


def test_only_a_gpu_is_waited_for(monkeypatch):
    waits = []
    monkeypatch.setattr("torch.cuda.synchronize", lambda: waits.append(1))
    wait_for_device("cpu")
    assert not waits
    wait_for_device("cuda")
    assert waits
