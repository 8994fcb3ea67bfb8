"""Runs as one tidy table: from MLflow, from files, from a data frame."""
