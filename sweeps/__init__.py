"""Sweeps: which runs to make, and what they cost before they start."""

from openr1.system.short_names import shorten

if __name__ == "sweeps":  # by the name of its folder at the top of a checkout
    shorten(__name__)
