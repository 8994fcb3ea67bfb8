"""Errors that are the user's to mend: the command line prints their one line and exits with status 2."""


class ConfigError(ValueError):
    """A config that cannot run. Its message is one line that names the key and says what is allowed."""
