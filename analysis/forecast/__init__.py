"""Forecasts of runs that have not been made, with intervals that hold, and how often past forecasts did."""
