"""The messages that docs/troubleshooting.md names are those of the code."""

import ast
import re

from helpers.source import ROOT, modules, tree

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
SYMPTOM = re.compile(r"^\| `([^`]+)` \|", re.M)


def texts() -> str:
    """Return all texts in the code, with … for each value that is filled in."""
    found = []
    for path in modules():
        inner = set()
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.JoinedStr):
                inner.update(node.values)
                found.append("".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values))
        found += [
            node.value
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in inner
        ]
    return "\n".join(found)


def test_every_message_is_one_of_the_code():
    known = texts()
    missing = []
    for symptom in SYMPTOM.findall(PAGE):
        parts = [part.strip() for part in symptom.split("…") if part.strip()]
        if len(symptom.split()) > 2 and not all(part in known for part in parts):
            missing.append(symptom)
    assert not missing, "\n".join(missing)


def test_there_are_messages():
    assert len(SYMPTOM.findall(PAGE)) > 30
