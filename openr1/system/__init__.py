"""The operating system: files that are whole or absent, damage of files, faults of the machine, and signals."""
