"""``openr1-plan``: the price of a study before it starts, its next runs, its status while it runs, damage of what it made, and
all studies.

Composing a config and ``--help`` import nothing heavy.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import hydra
from hydra.core.override_parser.types import Quote, QuotedString
from omegaconf import DictConfig

from openr1.config.schema import register as register_runs
from openr1.options.guard import exiting, guarded
from openr1.sweeps.commands import check, propose, status, studies
from openr1.system.errors import ConfigError

HELP = """\
openr1-plan: the price of a study before it starts, its next runs, its status while it runs, what was damaged, all studies.

  openr1-plan [price] OVERRIDES…       price the runs that `openr1 -m OVERRIDES…` would launch
  openr1-plan propose OVERRIDES…       propose the next runs of a study (active choice), or replay that choice on finished runs
  openr1-plan status NAME              show how far a study is
  openr1-plan check                    find artifacts and tokenised data that were changed after they were made
  openr1-plan studies                  list all studies; rename, archive, restore, delete, export or import one

  openr1-plan experiment=demo                           every run with its N, D, C, memory, time, cost and state, and the sum
  openr1-plan scale=200k budget.flops=1e14 forecast=demo   and a forecast of its loss from the runs of demo, registered now
  openr1-plan scale=50k,100k budget.flops=4e11,8e11
  openr1-plan sweep=search 'optim.lr=tag(log,interval(1e-3,1e-1))' sweep.n_trials=20
  openr1-plan propose runs.study=NAME sweep.target.flops=1e14 \\
    'sweep.candidates.scale=[50k,100k]' 'sweep.candidates.tokens=[1e6,4e6]'
  openr1-plan propose replay.path=points.csv
  openr1-plan status demo once=true
  openr1-plan studies rename demo first_demo
  openr1-plan studies delete name=first_demo confirm=true

`openr1-plan MODE --help` lists the groups and options of a mode. Words after a mode stand for its first options: `status demo`
is status=demo, and `studies rename demo first_demo` is studies=rename name=demo to=first_demo. Without a mode, status=NAME
shows a status, check=artifacts checks artifacts, studies=list lists studies, sweep=active and the keys replay, runs and law
propose runs, and everything else is priced.
"""
PLAIN = re.compile(r"(?!(?i:true|false|null|none|nan|inf)$)[A-Za-z_][\w./-]*")  # read by Hydra as the text that it is
HELP_FLAGS = {"--help", "-h"}
# print something about a config
COMPOSING_FLAGS = {"--cfg", "-c", "--info", "-i", "--hydra-help", "--shell-completion", "-sc", *HELP_FLAGS}
FORECAST_KEY = "+hydra.sweeper.forecast"  # the study that a forecast of the priced runs is made from
# a sweeper that prices the runs instead of launching them
PRICE_WORDS = ["hydra.sweeper._target_=hydra_plugins.openr1_price.PriceSweeper", "-m"]


def _prices_nothing(cfg: DictConfig, command: str) -> None:
    """Do nothing: :data:`PRICE_WORDS` choose a sweeper that never calls it."""


@dataclass(frozen=True)
class Mode:
    """A mode of ``openr1-plan``.

    :ivar config_path, config_name: of the config that its overrides compose.
    :ivar register: puts its schemas into Hydra's store.
    :ivar run: is called with the composed config and the command line.
    :ivar words, keys: overrides, and first parts of keys, that choose the mode where the command line names none.
    :ivar places: keys of the options that words without a key stand for, in order.
    """

    name: str
    config_path: str
    config_name: str
    register: Callable[[], None]
    run: Callable[[DictConfig, str], None]
    words: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    places: tuple[str, ...] = ()


MODES = {
    mode.name: mode
    for mode in (
        Mode("price", "pkg://openr1.conf", "config", register_runs, _prices_nothing),
        Mode(
            "propose",
            "pkg://openr1.conf.plan",
            "propose",
            propose.register,
            propose.run,
            ("sweep=active",),
            ("replay", "runs", "law"),
        ),
        Mode("status", "pkg://openr1.conf.plan", "status", status.register, status.run, (), ("status",), ("status",)),
        Mode("check", "pkg://openr1.conf.plan", "check", check.register, check.run, (), ("check",), ("check",)),
        Mode(
            *("studies", "pkg://openr1.conf.plan", "studies", studies.register, studies.run),
            *((), ("studies",), ("studies", "name", "to")),
        ),
    )
}


def parse_mode(words: Sequence[str]) -> tuple[Mode, list[str]]:
    """Return the mode of a command line, and the words for Hydra.

    :raises ConfigError: for a first word that is no mode, override or flag.
    """
    first = words[0] if words else ""
    if first in MODES:
        mode = MODES[first]
        words = list(_with_keys(mode, words[1:]))
    elif first and _is_bare(first):
        raise ConfigError(f"{first}: is not a mode of openr1-plan; there are {', '.join(MODES)}")
    else:
        keys = {word.lstrip("+~").partition("=")[0].partition(".")[0] for word in words}
        chosen = (mode for mode in MODES.values() if keys & set(mode.keys) or set(words) & set(mode.words))
        mode, words = next(chosen, MODES["price"]), list(words)
    if mode.name == "price" and not COMPOSING_FLAGS & {word.partition("=")[0] for word in words}:
        words = [f"{FORECAST_KEY}={word.partition('=')[2]}" if word.startswith("forecast=") else word for word in words]
        words += [word for word in PRICE_WORDS if word not in words]
    return mode, words


def _with_keys(mode: Mode, words: Sequence[str]) -> Iterator[str]:
    """Yield the words of a mode, with keys for those that have none.

    :raises ConfigError: for more words without a key than the mode takes.
    """
    places = iter(mode.places)
    for word in words:
        if mode.places and _is_bare(word):
            key = next(places, None)
            if key is None:
                raise ConfigError(f"{word}: is one word too many; {mode.name} takes {len(mode.places)} without a key")
            yield f"{key}={word if PLAIN.fullmatch(word) else quoted(word)}"
        else:
            yield word


def quoted(text: str) -> str:
    """Return a text as Hydra reads it, whatever it holds."""
    return QuotedString(text, Quote.single).with_quotes()


def _is_bare(word: str) -> bool:
    """Return whether a word is neither an override nor a flag."""
    return "=" not in word and not word.startswith(("-", "+", "~"))


def run(arguments: Sequence[str]) -> None:
    """Run the mode that a command line chooses.

    :raises ConfigError: for an unknown mode or an invalid config.
    """
    if set(arguments) <= HELP_FLAGS:
        print(HELP, end="")
        return
    mode, words = parse_mode(arguments)
    command = shlex.join(["openr1-plan", *arguments])

    def task(cfg: DictConfig) -> None:
        with exiting():
            mode.run(cfg, command)

    mode.register()
    sys.argv[1:] = words
    hydra.main(version_base="1.3", config_path=mode.config_path, config_name=mode.config_name)(task)()


def main() -> None:
    """Run the command ``openr1-plan``."""
    guarded(lambda: run(sys.argv[1:]))
