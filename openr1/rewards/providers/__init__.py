"""Where programs run, one a module: bubblewrap and unsafe_subprocess on this machine, piston, e2b and morph elsewhere."""
