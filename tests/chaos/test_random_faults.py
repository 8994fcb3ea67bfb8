"""Commands that are killed, asked to end or stopped at random moments: then they end well, with what they make undisturbed."""

import random
from collections import Counter
from pathlib import Path

import pytest
from helpers.chaos import FAULTS, live, undisturbed
from helpers.chaos_kinds import kinds
from helpers.servers import sums_server

pytestmark = [pytest.mark.integration, pytest.mark.timeout(3600)]
DAILY = ("run",)
NAMES = [pytest.param(name, marks=[] if name in DAILY else pytest.mark.nightly) for name in kinds(Path(), "")]


@pytest.mark.parametrize("name", NAMES)
def test_a_disturbed_command_loses_nothing(name, text_file, tmp_path):
    rng = random.Random(f"{name} 0")
    with sums_server() as server:
        whole = undisturbed(kinds(text_file, f"http://127.0.0.1:{server.server_port}/v1")[name], tmp_path)
        server.failures = rng
        live(whole, rng, rng.sample(list(FAULTS), 3), Counter())
