"""Runs one experiment: config -> data -> stage -> tracked run."""

__version__ = "0.1.0"
