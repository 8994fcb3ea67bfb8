import json

import pytest

from openr1.rl.callback import STATE, read_state
from openr1.system.errors import ConfigError


def test_a_checkpoint_of_version_0_1_is_refused(tmp_path):
    (tmp_path / STATE).write_text(json.dumps({"account": {}, "drawn": {"sums": 3}}))
    with pytest.raises(ConfigError, match=r"^paths\.outputs: .* was written by version 0\.1, which cannot be resumed"):
        read_state(tmp_path)
    (tmp_path / STATE).write_text(json.dumps({"ledger": {"rollouts": 1}, "drawn": {"sums": 3}}))
    assert read_state(tmp_path)["drawn"] == {"sums": 3}
