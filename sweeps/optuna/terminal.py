"""A search on the terminal: what it will take, and how far it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig
from optuna.trial import FrozenTrial, TrialState
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from openr1.console import console as console_of
from sweeps.cost.table import REASONS, format_duration
from sweeps.optuna.price import limit_of, price_search, save, tally_of
from sweeps.optuna.price_table import show_search_price
from sweeps.optuna.space import parse
from sweeps.optuna.sweeper import check_tracking, options_of
from sweeps.optuna.tally import Tally
from sweeps.status import plan_file
from sweeps.status.config import StatusConfig

LAST = 10  # trials that are shown, of those that have ended
COLOURS = {TrialState.COMPLETE: "green", TrialState.FAIL: "red", TrialState.PRUNED: "yellow", TrialState.RUNNING: "cyan"}


def show_search(
    loader: ConfigLoader,
    config: DictConfig,
    params: Mapping[str, Any],
    given: DictConfig,
    arguments: Sequence[str],
    command: str,
) -> None:
    """Print what a search will take, and what is done of it.

    :raises ConfigError: for a search that cannot be.
    """
    options = options_of(given)
    space = parse(params, arguments, config, loader)
    check_tracking(config)
    console, errors = console_of(), console_of(stderr=True)
    limit, tally = limit_of(options, space), tally_of(options.storage, options.name)
    left = max(0, limit - len(tally.ended)) if tally else limit
    found = price_search(options, space, config, loader, left, needed=True, say=errors.print)
    states = counts_of(tally)
    told = "".join(f", {count} {state}" for state, count in states.items())
    console.print(f"{options.name}: {limit} trials{told}; {left} to come", soft_wrap=True)
    show_search_price(found, console)
    path = save(options, limit, config, command, found)
    errors.print(f"wrote {path}", soft_wrap=True)


def counts_of(tally: Tally | None) -> dict[str, int]:
    """Trials by their states, in Optuna's words."""
    found: dict[str, int] = {}
    for trial in tally.trials if tally else ():
        found[trial.state.name.lower()] = found.get(trial.state.name.lower(), 0) + 1
    return {state: count for state, count in found.items() if state != "waiting"}


@dataclass(frozen=True)
class Trials:
    """How far a search is.

    :ivar about: what ``plan.json`` says of it.
    :ivar command: what goes on with it.
    """

    about: Mapping[str, Any]
    command: str
    at_once: int
    tally: Tally | None

    @property
    def left(self) -> int:
        return max(0, self.about["n_trials"] - (len(self.tally.ended) if self.tally else 0))

    @property
    def ended(self) -> bool:
        return self.left == 0

    @property
    def best(self) -> FrozenTrial | None:
        """Of the trials that kept to the constraints, by the first objective."""
        direction = next(iter(self.about["objective"].values()))
        done = [one for one in self.tally.trials if one.state == TrialState.COMPLETE] if self.tally else []
        done = [one for one in done if all(value <= 0 for value in one.constraints.values())]
        choose = min if direction == "minimize" else max
        return choose(done, key=lambda one: one.values[0], default=None)


def look_at_trials(config: StatusConfig) -> Trials:
    """
    :raises ConfigError: where there is no plan of the study, or its storage cannot be opened.
    """
    plan = plan_file.read(config.paths, config.status)
    about = plan["search"]
    return Trials(about, plan["command"], plan["at_once"], tally_of(config.storage or about["storage"], about["name"]))


def trials_table(found: Trials, height: int | None) -> tuple[str, Table, list[str]]:
    """The last trials, and what is to be said above and below them.

    :param height: of the terminal; it fits one of any.
    """
    told = ", ".join(f"{count} {state}" for state, count in counts_of(found.tally).items())
    objective = next(iter(found.about["objective"]))
    title = f"{found.about['name']}: {found.about['n_trials']} trials, {told or 'none begun'}"
    table = Table(box=SIMPLE_HEAD)
    for head in ("trial", "state", objective, "params"):
        table.add_column(head, justify="right" if head in ("trial", objective) else "left", no_wrap=head != "params")
    trials = found.tally.trials if found.tally else []
    ended = [one for one in trials if one.state.is_finished()][-LAST:]
    for one in (*ended, *(one for one in trials if one.state == TrialState.RUNNING)):
        steps = one.intermediate_values
        value = one.values[0] if one.values else steps[max(steps)] if steps else None
        state = f"[{COLOURS[one.state]}]{one.state.name.lower()}[/]"
        params = " ".join(f"{key.rsplit('.', 1)[-1]}={_short(value)}" for key, value in one.params.items())
        table.add_row(str(one.number), state, "" if value is None else f"{value:.6g}", escape(params))
    return title, table, _lines(found, objective)


def _lines(found: Trials, objective: str) -> list[str]:
    said = []
    if found.best:
        said.append(f"best: trial {found.best.number}, {objective} {found.best.values[0]:.6g}")
    if found.left:
        price = found.about.get("trial", {}).get("mean")
        words = f"{found.left} trials to come"
        if price:
            words += f", about {found.left * price['flops']:.3g} FLOPs"
        if price and price["seconds"] is not None:
            words += f" and {format_duration(found.left * price['seconds'] / min(found.at_once, found.left))}"
        said.append(words)
        if not (found.tally and found.tally.running):
            said.append(plan_file.resume_hint(found.command))
    failed = found.tally.failed if found.tally else []
    said += [f"failed: trial {one.number}: {one.user_attrs.get('failure', 'no reason is known')}" for one in failed[:REASONS]]
    return said + ([f"… and {len(failed) - REASONS} more"] if len(failed) > REASONS else [])


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
