"""Runs one experiment: config -> data -> stage -> tracked run."""

__version__ = "0.2.0"
