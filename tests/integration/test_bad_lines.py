"""Wrong command lines of every command: status 2, one line that begins with the key, and nothing is written."""

import shlex

import pytest
from helpers.bad_lines import CATALOGUE
from helpers.cli import command

from openr1.rewards.registry import REWARDS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
SMALL = {"openr1": "scale=30k budget.tokens=2e4"}
TABLE = "N,D,C,loss\n" + "".join(
    f"{n},{d},{6 * n * d},{2 + 30 / n**0.35 + 126 / d**0.4}\n" for n in (1e5, 1e6) for d in (1e6, 1e7, 1e8)
)
LINES = [(name, line, key) for name, lines in CATALOGUE.items() for line, key in lines]
PARTS = 20


def words_of(name: str, line: str) -> list[str]:
    """Return the words of a line, beside those of a run that takes seconds where the line gives no size and budget itself."""
    words = shlex.split(line, posix=False)
    given = {word.lstrip("+~").partition("=")[0].partition(".")[0] for word in words}
    small = [word for word in SMALL.get(name, "").split() if word.partition("=")[0].partition(".")[0] not in given]
    return [*words, *(small if "recipe" not in given else [])]


def test_the_catalogue_is_long_and_names_every_line_once():
    assert len(LINES) >= 300
    assert len(set(LINES)) == len(LINES)
    assert REWARDS


@pytest.mark.parametrize("part", range(PARTS))
def test_a_wrong_line_is_told_in_one_line_and_writes_nothing(part, tmp_path):
    faults = []
    for number, (name, line, key) in enumerate(LINES[part::PARTS]):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "runs.csv").write_text(TABLE)
        (folder / "text.csv").write_text("Call me Ishmael. Some years ago\nnever mind how long precisely\n")
        done = command(name, *words_of(name, line), cwd=folder)
        told = done.stderr.strip().splitlines()
        written = sorted(
            str(path.relative_to(folder)) for path in folder.rglob("*") if path.name not in ("runs.csv", "text.csv")
        )
        if done.returncode != 2 or len(told) != 1 or not told[0].startswith(f"{name}: {key}") or written:
            faults.append(f"{name} {line}: status {done.returncode}, wanted {key}, told {told[-3:]}, wrote {written[:5]}")
    assert not faults, "\n".join(faults)
