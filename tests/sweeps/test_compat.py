"""Private parts of Hydra and of its launchers are as sweeps/compat.py was written for."""

import hashlib
import importlib
import inspect
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.hydra_joblib_launcher import _core as joblib_core
from openr1.sweeps import compat

SOURCES = [
    (ConfigLoaderImpl._apply_overrides_to_config, "d2862382c3a7"),
    (ConfigLoaderImpl.load_sweep_config, "6cea59c9984d"),
    (BasicSweeper.split_arguments, "1b56f58380a2"),
    (Override._get_value_element_as_str, "b089dc572ac1"),
    (Override.value, "b2b7237358a9"),
    (JobReturn, "a0044a73c432"),
    (joblib_core.execute_job, "143d66c6d87f"),
    (DictConfig._get_node, "a898217e5508"),
]
LAUNCHERS = [
    ("hydra_plugins.hydra_submitit_launcher.submitit_launcher", "BaseSubmititLauncher", "282d28beda41"),
    ("hydra_plugins.hydra_submitit_launcher.config", "BaseQueueConf", "ac382365e701"),
    ("hydra_plugins.hydra_ray_launcher._launcher_util", "start_ray", "9cef96424d54"),
]


def digest_of(part):
    return hashlib.sha256(inspect.getsource(part).encode()).hexdigest()[:12]


def overrides(*lines):
    return OverridesParser.create().parse_overrides(list(lines))


@pytest.mark.parametrize(("part", "digest"), SOURCES, ids=lambda value: getattr(value, "__qualname__", ""))
def test_the_source_is_the_one_that_was_read(part, digest):
    read = digest_of(part)
    assert read == digest, f"{part.__qualname__} has changed: read it, then write {read} here"


@pytest.mark.parametrize(("module", "name", "digest"), LAUNCHERS)
def test_the_source_of_a_launcher_is_the_one_that_was_read(module, name, digest):
    part = getattr(pytest.importorskip(module), name)
    read = digest_of(part)
    assert read == digest, f"{name} has changed: read it, then write {read} here"


def test_values_are_set_as_after_composition():
    config = OmegaConf.create({"a": {"b": 1}, "c": 2})
    compat.apply_overrides(overrides("a.b=3", "~c", "+d=4"), config)
    assert config == {"a": {"b": 3}, "d": 4}
    with pytest.raises(HydraException):
        compat.apply_overrides(overrides("~none"), config)


def test_sweeps_are_split_into_combinations():
    assert compat.split_sweeps(overrides("a=1,2", "b=x")) == [["a=1", "b=x"], ["a=2", "b=x"]]
    with pytest.raises(HydraException, match="INTERVAL"):
        compat.split_sweeps(overrides("a=interval(0,1)"))


def test_a_value_keeps_its_quotes_and_has_a_text():
    (override,) = overrides("a='1'")
    assert (override.value(), compat.value_text(compat.quoted_value(override))) == ("1", "'1'")
    assert compat.value_text([1, {"a": None}]) == "[1,{a:null}]"


def test_the_result_of_a_failed_job_is_its_error():
    error = ValueError("boom")
    assert compat.result_of(JobReturn(status=JobStatus.FAILED, _return_value=error)) is error


def test_an_integer_key_is_one_by_its_schema():
    @dataclass
    class Schema:
        whole: int = 1
        real: float = 1.0

    config = OmegaConf.structured(Schema)
    assert compat.is_integer_key(config, "whole")
    assert not compat.is_integer_key(config, "real")
    assert not compat.is_integer_key(config, "none")


def test_launchers_are_told_apart_by_their_options():
    basic = SimpleNamespace()
    assert compat.joblib_options(basic) is None
    assert compat.submitit_options(basic) is None
    compat.connect_to_ray(basic)  # does nothing
    joblib = importlib.import_module("hydra_plugins.hydra_joblib_launcher.joblib_launcher").JoblibLauncher(n_jobs=2)
    assert compat.joblib_options(joblib)["n_jobs"] == 2
    assert compat.joblib_task() is joblib_core.execute_job
