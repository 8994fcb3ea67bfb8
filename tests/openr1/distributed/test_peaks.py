import pytest

from openr1.distributed.options import ComputeConfig
from openr1.distributed.peaks import card_peak, peak_flops

GPU = {"device": "cuda", "precision": "bfloat16"}


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H200", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("A100-SXM4-40GB", 312e12),
        ("NVIDIA A100 80GB PCIe", 312e12),
        ("NVIDIA A10G", 125e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA L40S", 362.05e12),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", None),  # a part of a card
        ("NVIDIA H100 NVL", None),
        ("Tesla T4", None),
    ],
)
def test_a_card_is_known_by_its_whole_name(name, peak):
    assert card_peak(name) == peak


def test_the_peak_of_a_run_is_that_of_its_card(monkeypatch):
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "NVIDIA A100-SXM4-80GB")
    assert peak_flops(ComputeConfig(**GPU)) == 312e12
    assert peak_flops(ComputeConfig(**GPU, peak_flops=1e15)) == 1e15
    assert peak_flops(ComputeConfig(device="cuda", precision="float32")) is None
    assert peak_flops(ComputeConfig()) is None
    assert peak_flops(ComputeConfig(peak_flops=1e11)) == 1e11
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "a card of tomorrow")
    assert peak_flops(ComputeConfig(**GPU)) is None
