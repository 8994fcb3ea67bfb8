"""The beginning of an answer that stands in its prompt already: ``<think>``, as many chat templates of reasoning models end.

Completions are kept whole, with the tag that the prompt opened, so that whatever reads them need not know the template.
Training leaves it out again.
"""

from __future__ import annotations

OPENED, CLOSED = "<think>", "</think>"


def opens(prompt: str) -> bool:
    """Tell whether a prompt, as a model reads it, ends with an open ``<think>``."""
    return prompt.rstrip().endswith(OPENED)


def closes(prompt: str) -> bool:
    """Tell whether a prompt ends with thoughts that are over, as a template leaves them that is told not to think."""
    return prompt.rstrip().endswith(CLOSED)


def whole(completion: str, opened: bool | None) -> str:
    """A completion with the ``<think>`` that its prompt opened; as it is where it begins with the tag itself.

    :param opened: None where nobody knows the prompt: a completion that ends thoughts which it did not begin was opened.
    """
    if opened is None:
        before, ended, _ = completion.partition(CLOSED)
        opened = bool(ended) and OPENED not in before
    return OPENED + completion if opened and not completion.lstrip().startswith(OPENED) else completion


def continued(prompt: str, completion: str) -> str:
    """A completion without the ``<think>`` that its prompt ends with."""
    return completion.removeprefix(OPENED) if opens(prompt) else completion
