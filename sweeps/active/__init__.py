"""Active choice of runs (arXiv 2604.22753): those that tell most about a target for their FLOPs."""
