"""Training: budgets, hyperparameters, the training loop, and runs that branch off a trunk."""
