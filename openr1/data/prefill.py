"""The ``<think>`` with which many chat templates of reasoning models end a prompt, so that the answer begins after the tag.

Completions are stored with the tag that their prompt opened, so that readers need not know the template. Training removes it
again.
"""

from __future__ import annotations

OPENED, CLOSED = "<think>", "</think>"


def opens(prompt: str) -> bool:
    """Tell whether a prompt, as a model reads it, ends with an open ``<think>``."""
    return prompt.rstrip().endswith(OPENED)


def closes(prompt: str) -> bool:
    """Tell whether a prompt ends with ``</think>``, as templates write it if thinking is switched off."""
    return prompt.rstrip().endswith(CLOSED)


def with_opened_tag(completion: str, opened: bool | None) -> str:
    """Return a completion with the ``<think>`` that its prompt opened; unchanged if it begins with the tag itself.

    :param opened: tells whether the prompt ended with ``<think>``; None if the prompt is unknown, in which case a completion
        that closes the tag without opening it counts as opened.
    """
    if opened is None:
        before, ended, _ = completion.partition(CLOSED)
        opened = bool(ended) and OPENED not in before
    return OPENED + completion if opened and not completion.lstrip().startswith(OPENED) else completion


def continued(prompt: str, completion: str) -> str:
    """Return a completion without the ``<think>`` that its prompt ends with."""
    return completion.removeprefix(OPENED) if opens(prompt) else completion
