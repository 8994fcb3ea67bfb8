"""Wrong command lines of every command: status 2, the one line that ``bad_lines.tsv`` has, and nothing is written.

``PYTHONPATH=tests python tests/integration/test_bad_lines.py`` writes the answers anew; read what changed before a commit.
"""

import csv
import re
import tempfile
from pathlib import Path

import pytest
from helpers.cli import command

from openr1.analysis import LAWS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]
CHOICES = re.compile(r"<(laws|conf/[\w/]+)>")
TABLE = Path(__file__).with_name("bad_lines.tsv")  # command, its words, and its answer
SMALL = {"openr1": ["scale=30k", "budget.tokens=2e4"]}
# 6 runs, and prose that is no table
FILES = {
    "runs.csv": "N,D,C,loss\n"
    + "".join(f"{n},{d},{6 * n * d},{2 + 30 / n**0.35 + 126 / d**0.4}\n" for n in (1e5, 1e6) for d in (1e6, 1e7, 1e8)),
    "text.csv": "Call me Ishmael. Some years ago\nnever mind how long precisely\n",
}
LATE = "model.options: transformers cannot"  # known once the data are prepared, of which the size of the model follows
PARTS = 20
DAILY = 1  # parts that are not nightly


def read_lines() -> list[tuple[str, str, str]]:
    """Return the command, the words and the answer of each line of the table; the answer as it is written there."""
    with TABLE.open(newline="") as file:
        return [(name, words, answer) for name, words, answer in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]


def choices(place: re.Match[str]) -> str:
    """Return the choices of a group that stands as ``<conf/scale>`` in an answer, or for ``<laws>`` all laws."""
    if place[1] == "laws":
        return ", ".join(LAWS)
    return ", ".join(sorted(path.stem for path in (ROOT / place[1]).glob("*.yaml")))


def words_of(name: str, line: str) -> list[str]:
    """Return the words of a line, and the size and budget of a short run where the line has none of its own."""
    words = line.split()
    groups = {word.lstrip("+~").partition("=")[0].partition(".")[0] for word in words}
    small = [] if "recipe" in groups else SMALL.get(name, [])
    return [*words, *(word for word in small if word.partition("=")[0].partition(".")[0] not in groups)]


def answer_of(name: str, line: str, folder: Path) -> tuple[int, list[str], list[str]]:
    """Run a line and return its exit status, what it told, and what it wrote."""
    folder.mkdir()
    for file, text in FILES.items():
        (folder / file).write_text(text)
    done = command(name, *words_of(name, line), cwd=folder)
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*")} - set(FILES)
    return done.returncode, done.stderr.strip().splitlines(), sorted(written)


def test_the_table_is_long_and_has_no_line_twice():
    lines = [(name, words) for name, words, _ in read_lines()]
    assert len(lines) >= 300
    assert len(set(lines)) == len(lines)


@pytest.mark.parametrize("part", [pytest.param(n, marks=[pytest.mark.nightly] if n >= DAILY else []) for n in range(PARTS)])
def test_a_wrong_line_is_told_in_one_line_and_writes_nothing(part, tmp_path):
    faults = []
    for number, (name, line, answer) in enumerate(read_lines()[part::PARTS]):
        status, told, written = answer_of(name, line, tmp_path / str(number))
        answer = CHOICES.sub(choices, answer)
        if answer.startswith(LATE):
            written = [path for path in written if not path.startswith("outputs")]
        if status != 2 or told != [f"{name}: {answer}"] or written:
            faults.append(f"{name} {line}: status {status}, told {told[-3:]} instead of {answer!r}, wrote {written[:5]}")
    assert not faults, "\n".join(faults)


def write_answers() -> None:
    """Write the answers of the table anew, for those that are one line."""
    rows = []
    for number, (name, line, answer) in enumerate(read_lines()):
        with tempfile.TemporaryDirectory() as folder:
            status, told, _ = answer_of(name, line, Path(folder) / str(number))
        good = status == 2 and len(told) == 1
        same = good and told[0] == f"{name}: {CHOICES.sub(choices, answer)}"
        rows.append((name, line, told[0].removeprefix(f"{name}: ") if good and not same else answer))
        if rows[-1][2] != answer or not good:
            print(f"{name} {line}\n  status {status}: {told[-2:]}", flush=True)
    with TABLE.open("w", newline="") as file:
        csv.writer(file, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None, lineterminator="\n").writerows(rows)


if __name__ == "__main__":
    write_answers()
