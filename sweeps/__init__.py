"""Sweeps: which runs to make, and what they cost before they start."""
