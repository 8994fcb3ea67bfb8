"""Time, memory and money of runs before they start."""
