"""The ground floor: user-facing errors, artifacts, files that are whole or absent, faults of the machine, signals, tables."""
