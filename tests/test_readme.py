"""Commands in the README and in docs/ compose, and the README opens with what a newcomer needs."""

import re
import shlex
from pathlib import Path

import pytest
from helpers.configs import composed
from hydra import compose, initialize_config_module
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep

from openr1.analysis.config import compose as compose_fit
from openr1.evaluation.verify import argument_parser
from openr1.options import load_config
from openr1.sweeps.catalogue.config import StudiesConfig
from openr1.sweeps.cli import PRICE_WORDS, parse_mode
from openr1.sweeps.commands.check import CheckConfig
from openr1.sweeps.commands.propose import compose as compose_plan
from openr1.sweeps.status.config import StatusConfig

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = [README, *(path.read_text() for path in sorted((ROOT / "docs").rglob("*.md")))]
BLOCKS = [block for page in PAGES for block in re.findall(r"```sh\n(.*?)```", page, re.S)]
LINES = [line.split("  #")[0].strip() for block in BLOCKS for line in block.splitlines()]
LAUNCHERS = {"ray": "hydra_plugins.hydra_ray_launcher", "submitit": "hydra_plugins.hydra_submitit_launcher"}  # of extras
PLAN_SCHEMAS = {"status": StatusConfig, "check": CheckConfig, "studies": StudiesConfig}
PLACEHOLDERS = {"RUN_ID", "DATE", "TIME"}


def commands(name):
    return [line for line in LINES if line.split(" ")[0] == name and not PLACEHOLDERS & set(re.findall(r"\w+", line))]


def first_choices(words):
    """Return a sweep as the run of its first choices."""
    for override in OverridesParser.create().parse_overrides(words):
        if override.is_sweep_override():
            sweep = override.value()
            first = sweep.start if isinstance(sweep, IntervalSweep) else next(iter(override.sweep_string_iterator()))
            yield f"{override.key_or_group}={first}"
        else:
            yield override.input_line


def test_the_readme_opens_with_a_sentence_a_figure_and_two_commands():
    title, sentence, figure = [line for line in README.splitlines() if line][:3]
    assert title.startswith("# ")
    assert sentence.endswith(".")
    assert (ROOT / re.search(r"\((\S+)\)", figure)[1]).exists()
    assert [line for line in LINES if line.startswith("make")][:2] == ["make demo", "make test"]


def test_ci_runs_the_documented_targets():
    assert {"make lint", "make test", "make integration"} <= set((ROOT / ".ci" / "run").read_text().splitlines())


@pytest.mark.parametrize("line", commands("openr1"))
def test_every_openr1_command_composes(line):
    for launcher, plugin in LAUNCHERS.items():
        if f"hydra/launcher={launcher}" in line:
            pytest.importorskip(plugin)
    words = [word for word in shlex.split(line)[1:] if word not in ("-m", "--cfg", "job", "--resolve", "--help")]
    composed(*first_choices(words))


@pytest.mark.parametrize("line", commands("openr1-fit"))
def test_every_fit_command_composes(line):
    compose_fit(shlex.split(line)[1:])


@pytest.mark.parametrize("line", commands("openr1-plan"))
def test_every_plan_command_composes(line):
    mode, words = parse_mode(shlex.split(line)[1:])
    if mode.name == "propose":
        compose_plan(words)
    elif mode.name in PLAN_SCHEMAS:
        mode.register()
        with initialize_config_module("openr1.conf.plan", version_base="1.3"):
            load_config(PLAN_SCHEMAS[mode.name], compose(mode.name, words))
    else:
        composed(*first_choices([word for word in words if word not in PRICE_WORDS]))


@pytest.mark.parametrize("line", commands("openr1-verify"))
def test_every_verify_command_is_one(line):
    given = argument_parser().parse_args(shlex.split(line)[1:])
    assert 1 <= len(given.texts) <= 2
