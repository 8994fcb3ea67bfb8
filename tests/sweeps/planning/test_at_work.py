from openr1.sweeps.planning.at_work import at_work, is_at_work


def test_a_study_is_worked_on_until_the_last_process_is_done(tmp_path):
    folder = tmp_path / "studies" / "mine"
    assert not is_at_work(folder)
    with at_work(folder):
        with at_work(folder):
            assert is_at_work(folder)
        assert is_at_work(folder)
    assert not is_at_work(folder)
