"""The data of a whole config: what a run hands to the functions of ``openr1.data``."""

from openr1 import data
from openr1.data import problems, registry
from openr1.runs.dataset import dataset_fingerprint as fingerprint
from openr1.runs.dataset import prepare_dataset as prepare
from openr1.runs.dataset import problems_extent, problems_fingerprint

__all__ = ["fingerprint", "open_source", "prepare", "problems_by_source", "problems_extent", "problems_fingerprint"]
__all__ += ["read_problems", "vocab_size"]


def vocab_size(config):
    return data.vocab_size(config.data, config.model, config.scale)


def problems_by_source(config):
    return problems.by_source(config.data, config.paths, config.stage.kind == "evaluate", config.stage.problems)


def read_problems(config):
    return [problem for group in problems_by_source(config).values() for problem in group]


def open_source(config, name="mine"):
    return registry.open_sources(config.data, config.paths)[name]
