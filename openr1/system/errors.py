"""User-facing errors. The command line prints them as one line: status 2 for a config, 1 for a run that cannot go on."""

import signal


class ConfigError(ValueError):
    """An impossible config. The message is one line that names the key and what is allowed; the exit status is 2."""


class RunError(RuntimeError):
    """A run that cannot go on, such as one whose loss is no longer finite. Its message says what to do; exit status 1."""


class StoreError(RunError):
    """A tracking store that fails or refuses a request."""


class Interrupted(KeyboardInterrupt):
    """Ends a command that was sent a signal; the same command resumes. The exit status is 128 plus the signal's number."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    def __str__(self) -> str:
        return f"interrupted by {signal.Signals(self.number).name}"


class Pruned(Exception):
    """Ends a run that its observer prunes, because others are better at the same number of tokens."""
