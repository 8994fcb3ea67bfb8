"""Imports of commands, with the settings that they import with: ``helpers.cli`` forks commands from a process that has them."""

import importlib
import os

from openr1.tracking.store import SETTINGS

QUIET = {"TRANSFORMERS_VERBOSITY": "error", "TOKENIZERS_PARALLELISM": "false", "TRL_EXPERIMENTAL_SILENCE": "1"}
for name, value in {"OMP_NUM_THREADS": "1", **SETTINGS, **QUIET}.items():
    os.environ.setdefault(name, value)

MODULES = [
    "torch",
    "transformers",
    "mlflow",
    "mlflow.store.tracking.sqlalchemy_store",
    "datasets",
    "pandas",
    "optuna",
    "joblib",
]
MODULES += [f"transformers.models.{family}.modeling_{family}" for family in ("qwen2", "qwen3", "llama")]
MODULES += ["transformers.trainer", "accelerate", "matplotlib.figure", "rich.live", "scipy.optimize"]
MODULES += ["openr1.cli", "openr1.runs.trial", "openr1.runs.summary", "openr1.stages.pretrain", "openr1.stages.sft"]
MODULES += ["openr1.sweeps.cli", "openr1.sweeps.optuna.sweeper", "openr1.sweeps.optuna.worker", "openr1.analysis.cli"]
for module in MODULES:
    importlib.import_module(module)
