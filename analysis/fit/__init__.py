"""Fits of laws to runs: estimates, intervals, diagnostics, groups."""
