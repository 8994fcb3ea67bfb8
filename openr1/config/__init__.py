"""The typed config of one run: the options of every room in one dataclass, and the checks across rooms."""
