"""Planned runs: their overrides, configs and stages, and what has become of them."""
