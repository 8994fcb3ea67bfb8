"""Documented commands mean the same in bash and in zsh: each program is a function that prints its arguments, in both."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from helpers.source import ROOT, modules

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
CONFIGS = sorted((ROOT / "conf").rglob("*.yaml"))
PROGRAM = r"(?:[\w./-]*/)?(?:openr1(?:-\w+)?|make|python|pip|uv|optuna-dashboard)"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.S | re.M)
SPAN = re.compile(rf"`+({PROGRAM} [^`\n]+)`+")
INDENTED = re.compile(rf"^#?  +({PROGRAM} .*)$", re.M)  # in help texts, docstrings and comments of configs
MEANING = re.compile(r"\s{2,}(?!\\).*$|\s+#.*$")  # after a command: two spaces, or a comment
BUILT_IN = ("export", "cd", "setopt")
SHELLS = {"bash": ["bash", "--norc", "--noprofile"], "zsh": ["zsh", "-f", "-o", "interactive_comments"]}
USAGE = "OVERRIDES"  # in lines that say how a command is called
NOT_WORDS = re.compile(r"[$|;&<>`]")  # what a shell reads in another way than words


def joined(text: str) -> str:
    """Put lines that end in a backslash into one."""
    return re.sub(r" *\\\n#? *", " ", text)


def found() -> Iterator[str]:
    for path in PAGES:
        page = joined(path.read_text())
        for block in BLOCK.findall(page):
            yield from (line for line in block.splitlines() if line.strip() and not line.startswith("#"))
        yield from SPAN.findall(BLOCK.sub("", page))
    for path in (*CONFIGS, *modules()):
        text = joined(path.read_text())
        yield from (MEANING.sub("", line) for line in INDENTED.findall(text))
        yield from SPAN.findall(text)


COMMANDS = [text for text in dict.fromkeys(found()) if USAGE not in text and not text.startswith(". ")]


def arguments(shell: str, folder) -> list[tuple[int, str]]:
    """Return the status and the arguments of each command in a shell whose programs print them."""
    programs = {match[0] for command in COMMANDS if (match := re.search(r"^[\w.-]+", command))} - {*BUILT_IN}
    lines = [f'{name}() {{ for word; do printf "%s\\x1f" "$word"; done; }}' for name in sorted(programs) if "=" not in name]
    for command in COMMANDS:
        plain = re.sub(r"^[\w./-]*/", "", command) if not command.startswith(BUILT_IN) else command
        lines += [f"( eval {shlex.quote(plain)} )", "printf '\\x1e%s\\x1d' $?"]
    script = folder / f"{shell}.sh"
    script.write_text("\n".join(lines))
    empty = folder / "empty"
    empty.mkdir(exist_ok=True)
    ran = subprocess.run([*SHELLS[shell], str(script)], cwd=empty, capture_output=True, text=True, timeout=120)
    parts = [part.split("\x1e") for part in ran.stdout.split("\x1d")[:-1]]
    assert len(parts) == len(COMMANDS), ran.stderr
    return [(int(status), words) for words, status in parts]


@pytest.fixture(scope="module")
def in_bash(tmp_path_factory):
    return arguments("bash", tmp_path_factory.mktemp("bash"))


def test_there_are_commands_of_all_kinds_of_places():
    assert len(COMMANDS) > 200
    assert "openr1 -m experiment=demo" in COMMANDS
    assert "openr1 recipe=base_sft data=sums scale=500k recipe.steps.tuned.optim.lr=1e-3" in COMMANDS


def test_words_are_not_changed_by_the_shell(in_bash):
    changed = []
    for command, (status, words) in zip(COMMANDS, in_bash, strict=True):
        text = re.sub(r"\s+#.*$", "", command)
        if NOT_WORDS.search(re.sub(r"'[^']*'|\"[^\"$]*\"", "", text)) or text.startswith(BUILT_IN):
            continue
        if status or words != "".join(f"{word}\x1f" for word in shlex.split(text)[1:]):
            changed.append(f"{command}: {words.split(chr(31))}")
    assert not changed, "\n".join(changed)


@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs zsh")
def test_zsh_reads_what_bash_reads(in_bash, tmp_path):
    in_zsh = arguments("zsh", tmp_path)
    differing = [command for command, bash, zsh in zip(COMMANDS, in_bash, in_zsh, strict=True) if bash != zsh]
    assert not differing, "\n".join(differing)
