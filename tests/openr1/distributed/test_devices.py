from openr1.distributed.devices import use_own_device, wait_for_device


def test_each_process_has_a_gpu_of_its_own(monkeypatch):
    chosen = []
    monkeypatch.setattr("torch.cuda.set_device", chosen.append)
    use_own_device("cuda")  # on one process, the one that is current
    monkeypatch.setenv("LOCAL_RANK", "1")
    use_own_device("cpu")
    assert chosen == []
    use_own_device("cuda")
    assert chosen == [1]


def test_only_a_gpu_is_waited_for(monkeypatch):
    waits = []
    monkeypatch.setattr("torch.cuda.synchronize", lambda: waits.append(1))
    wait_for_device("cpu")
    assert not waits
    wait_for_device("cuda")
    assert waits
