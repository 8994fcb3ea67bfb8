"""Commands as a shell runs them."""

import os
import subprocess
import sys
from pathlib import Path

BIN = Path(sys.executable).parent


def command(name, *arguments, cwd, **env):
    """What a command of the project came to, its output as text."""
    words = [str(BIN / name), *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "160", **env}
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, env=environment, check=False)
