"""Launches the runs of a study, round by round."""
