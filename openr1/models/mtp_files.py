"""Files of multi-token prediction beside a saved model. Light, so that a plan of runs imports nothing heavy.

They have a folder of their own within that of the model, since some libraries load all weights that lie beside its config.
"""

from __future__ import annotations

import json
from pathlib import Path

from openr1.system.errors import ConfigError

FOLDER, WEIGHTS, CONFIG = "mtp", "model.safetensors", "config.json"


def check_modules(checkpoint: str | None) -> None:
    """Refuse a model that has no modules to draft with.

    :raises ConfigError: for such a model.
    """
    if not saved_depth(checkpoint):
        raise ConfigError(
            f"engine.speculative: {checkpoint} has no modules of multi-token prediction ({FOLDER}/); leave it null, or give a "
            "model that was trained with model.mtp.depth=1"
        )


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
        raise ConfigError(f"model.checkpoint: {path} is damaged; it gives the number of modules as depth, such as 1") from error
