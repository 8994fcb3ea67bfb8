import pytest

from openr1.tracking import mlflow, store


@pytest.mark.parametrize("module", [mlflow, store])
def test_a_fresh_store_of_a_test_is_a_copy_of_the_empty_one(tmp_path, shared_folder, module):
    module.client(f"sqlite:///{tmp_path}/mlflow.db")
    assert (tmp_path / "mlflow.db").read_bytes() == (shared_folder / "empty" / "mlflow.db").read_bytes()
