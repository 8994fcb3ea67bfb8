"""An app that runs the stage of a config and prints nothing: ``python run_app.py OVERRIDES``."""

import sys

from helpers.configs import composed
from openr1.runs.stage_run import run_stage

if __name__ == "__main__":
    run_stage(composed(*sys.argv[1:]), quiet=True)
