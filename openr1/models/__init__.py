"""Models: families, shapes at the sizes of the ladder, FLOPs, building and checkpoints."""
