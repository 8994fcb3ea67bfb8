"""Text generation: one interface, an engine a module.

    with open_engine(TransformersEngine(model="outputs/..."), Sampling(temperature=0)) as engine:
        for reply in engine.generate([Request("1", prompt="1+1=")]):
            print(reply.completions[0].text)

To add one, list its dataclass in :data:`openr1.engines.options.ENGINES` and write a module, named as its ``kind``, with a class
``Engine``.
"""

from __future__ import annotations

import importlib

from openr1.engines.base import Completion, Engine, Reply, Request
from openr1.engines.options import ENGINES, EngineConfig, Sampling, check_engine

__all__ = ["ENGINES", "Completion", "Engine", "EngineConfig", "Reply", "Request", "Sampling", "open_engine"]


def open_engine(config: EngineConfig, sampling: Sampling | None = None) -> Engine:
    """Open the engine of a config and load its model.

    :raises ConfigError: for a wrong key, a model that does not exist or a package that is not installed.
    """
    check_engine(config)
    return importlib.import_module(f"openr1.engines.{config.kind}").Engine(config, sampling)
