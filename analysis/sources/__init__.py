"""Sources of runs: MLflow, files, data frames."""
