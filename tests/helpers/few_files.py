"""Runs a command of the project that may open only a few files at once: ``python few_files.py COMMAND OVERRIDES``."""

import importlib
import os
import resource
import sys

from helpers.cli import SCRIPTS

if __name__ == "__main__":
    sys.argv = sys.argv[1:]
    module, _, function = SCRIPTS[sys.argv[0]].partition(":")
    main = getattr(importlib.import_module(module), function)
    importlib.import_module("openr1.stages.pretrain")
    open_files = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_files + 3, open_files + 3))
    main()
