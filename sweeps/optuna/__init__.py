"""The Optuna sweeper."""
