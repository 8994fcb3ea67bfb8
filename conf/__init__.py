"""Every choice that a study can make; one Hydra group a folder."""
