import pytest
from helpers.models import write_model


@pytest.fixture(scope="session")
def model_at(tmp_path_factory):
    """The directory of a small model: ``model_at(family, **options)``; the same one for the same arguments."""
    made = {}

    def model_at(family="qwen2", **options):
        key = (family, repr(sorted(options.items())))
        if key not in made:
            made[key] = write_model(tmp_path_factory.mktemp(family), family, **options)
        return made[key]

    return model_at
