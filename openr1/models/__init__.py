"""Model families, shapes on the ladder of sizes, their FLOPs, and the models themselves."""
