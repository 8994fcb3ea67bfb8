"""What runs report: to MLflow, to whoever observes them, to the terminal."""
