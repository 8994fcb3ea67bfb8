"""Text generation: one interface, and a module for each kind of engine.

    with open_engine(TransformersEngine(model="outputs/..."), Sampling(temperature=0)) as engine:
        for reply in engine.generate([Request("1", prompt="1+1=")]):
            print(reply.completions[0].text)

To add one, write its dataclass in :data:`openr1.engines.options.ENGINES` and a module of its kind's name with a class
``Engine``.
"""

from __future__ import annotations

import importlib

from openr1.engines.base import Completion, Engine, Reply, Request
from openr1.engines.options import ENGINES, EngineConfig, Sampling, check

__all__ = ["ENGINES", "Completion", "Engine", "EngineConfig", "Reply", "Request", "Sampling", "open_engine"]


def open_engine(config: EngineConfig, sampling: Sampling | None = None) -> Engine:
    """The engine of a config, its model loaded.

    :raises ConfigError: where it cannot be: a wrong key, a model that is not there, a package that is not installed.
    """
    check(config)
    return importlib.import_module(f"openr1.engines.{config.kind}").Engine(config, sampling)
