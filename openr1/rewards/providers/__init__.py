"""Providers that run programs: bubblewrap and unsafe_subprocess on this machine; piston, e2b and morph elsewhere."""
