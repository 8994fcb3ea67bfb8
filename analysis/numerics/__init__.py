"""Numerics without any knowledge of laws: regressions, profiles and surfaces, for many resamples at once."""
