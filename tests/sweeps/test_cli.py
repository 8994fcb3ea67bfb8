"""The modes of ``openr1-plan``."""

import sys

import pytest
from hydra import compose, initialize_config_module

from openr1.config.schema import register
from openr1.sweeps import cli
from openr1.system.errors import ConfigError


@pytest.mark.parametrize(
    ("words", "mode"),
    [
        (["experiment=demo"], "price"),
        (["scale=50k,100k", "budget.flops=4e11"], "price"),
        (["~recipe.steps.zero"], "price"),
        (["price", "sweep=active"], "price"),
        (["status=demo", "once=true"], "status"),
        (["status", "demo"], "status"),
        (["check"], "check"),
        (["check=artifacts"], "check"),
        (["sweep=active", "runs.study=mine"], "propose"),
        (["replay.path=points.csv"], "propose"),
        (["propose", "--help"], "propose"),
        (["studies"], "studies"),
        (["studies=list"], "studies"),
        (["studies", "rename", "a", "b"], "studies"),
    ],
)
def test_words_choose_a_mode(words, mode):
    assert cli.parse_mode(words)[0].name == mode


def test_the_words_for_hydra():
    assert cli.parse_mode(["status", "demo", "once=true"])[1] == ["status=demo", "once=true"]
    assert cli.parse_mode(["check", "artifacts"])[1] == ["check=artifacts"]
    assert cli.parse_mode(["studies", "rename", "a/b", "1e5"])[1] == ["studies=rename", "name=a/b", "to='1e5'"]
    assert cli.parse_mode(["studies", "delete", "it's", "confirm=true"])[1] == [
        "studies=delete",
        r"name='it\'s'",
        "confirm=true",
    ]
    assert cli.parse_mode(["propose", "runs.study=a"])[1] == ["runs.study=a"]
    assert cli.parse_mode(["seed=0,1", "-m"])[1] == ["seed=0,1", "-m", cli.PRICE_WORDS[0]]
    assert cli.parse_mode(["price", "--cfg", "job"])[1] == ["--cfg", "job"]
    assert cli.parse_mode(["--cfg=job"])[1] == ["--cfg=job"]
    assert cli.parse_mode(["-sc", "install=bash"])[1] == ["-sc", "install=bash"]


def test_a_word_that_is_no_mode_is_refused():
    with pytest.raises(
        ConfigError, match=r"^prise: is not a mode of openr1-plan; there are price, propose, status, check, studies$"
    ):
        cli.parse_mode(["prise", "experiment=demo"])


def test_a_word_too_many_is_refused():
    with pytest.raises(ConfigError, match=r"^c: is one word too many; studies takes 3 without a key$"):
        cli.parse_mode(["studies", "rename", "a", "b", "c"])


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_the_help_shows_every_mode(words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["openr1-plan", *words])
    cli.main()
    text = capsys.readouterr().out
    assert all(name in text for name in cli.MODES)
    assert max(map(len, text.splitlines())) <= 128


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["prise"], "openr1-plan: prise: is not a mode of openr1-plan; there are price, propose, status, check, studies"),
        (["status", "nothing"], "openr1-plan: status: "),
        (["status", "nothing", "size=3"], "openr1-plan: "),
        (["sweep.size=3", "seed=0,1"], "openr1-plan: sweep.size: no such key; there are kind, name, confirm"),
        (
            ["hydra/sweeper=optuna", "seed=0,1"],
            "openr1-plan: sweep=default: has no options of a search; hydra/sweeper=optuna needs",
        ),
    ],
)
def test_a_wrong_command_line_is_one_line(words, line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["openr1-plan", *words])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert errors[0].startswith(line)


def test_options_of_a_search_name_the_choice_that_has_them(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["openr1-plan", "hydra/sweeper=optuna", "sweep.n_trials=3"])
    with pytest.raises(SystemExit):
        cli.main()
    assert capsys.readouterr().err.strip().endswith("; sweep=search has the options of a search")


@pytest.mark.parametrize(
    ("words", "sweeper", "kind"),
    [
        ([], "DesignSweeper", "default"),
        (["sweep=search"], "OptunaSweeper", "search"),
        (["sweep=search", "hydra/sweeper=optuna"], "OptunaSweeper", "search"),
        (["sweep=grpo_search"], "OptunaSweeper", "search"),
        (["sweep=grpo", "sweep.budgets=[1e12]"], "DesignSweeper", "grpo"),
    ],
)
def test_only_a_search_has_the_options_of_a_search(words, sweeper, kind):
    register()
    with initialize_config_module("openr1.conf", version_base="1.3"):
        config = compose("config", words, return_hydra_config=True)
    assert config.hydra.sweeper._target_.endswith(sweeper)
    assert config.sweep.kind == kind
    assert ("n_trials" in config.sweep) == (kind == "search")
