"""Active choice of runs: those that tell most about a target for their FLOPs (arXiv 2604.22753)."""
