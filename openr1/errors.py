"""Errors that are the user's to mend: the command line prints their one line and exits with status 2."""


class ConfigError(ValueError):
    """A config that cannot run. Its message is one line that names the key and says what is allowed."""


class RunError(RuntimeError):
    """A run that cannot go on, such as one whose loss is no longer finite. Its message is one line that says what to do."""


class StoreError(RunError):
    """A tracking store that does not do what it is asked."""


class Pruned(Exception):
    """A run that whoever watches it has ended, since others are better at the same number of tokens."""
