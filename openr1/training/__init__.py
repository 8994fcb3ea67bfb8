"""Training loops, budgets and hyperparameters."""
