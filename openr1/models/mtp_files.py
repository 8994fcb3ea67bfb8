"""Files of multi-token prediction beside a saved model. Light, so that a plan of runs imports nothing heavy.

They have a folder of their own within that of the model, since some libraries load every file of weights that lies beside its config.
"""

from __future__ import annotations

import json
from pathlib import Path

from openr1.errors import ConfigError

FOLDER, WEIGHTS, CONFIG = "mtp", "model.safetensors", "config.json"


def saved_depth(checkpoint: str | Path | None) -> int:
    """Return the number of modules beside a model; 0 for a model without any, or one of the Hub.

    :raises ConfigError: if the folder is damaged.
    """
    path = Path(checkpoint or "") / FOLDER / CONFIG
    if not checkpoint or not path.exists():
        return 0
    try:
        return int(json.loads(path.read_text())["depth"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"model.checkpoint: {path} is damaged; it holds the number of modules, such as {{\"depth\": 1}}") from error
