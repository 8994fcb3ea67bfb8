"""Reports of runs: to MLflow, to an observer such as a sweeper, and to the terminal. The only package that imports mlflow."""
