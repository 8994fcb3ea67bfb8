"""Prepares a run once: everything that follows from its config before it is executed.

``openr1`` executes what is prepared here; ``openr1-plan`` and the price of a study read it; each process of a run on several
processes prepares the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from openr1.models.checkpoints import checkpoint_of
from openr1.models.mtp_files import check_modules
from openr1.models.reward_models import is_reward_model
from openr1.models.shape import Shape
from openr1.runs.dataset import prepare_dataset
from openr1.runs.estimate import estimate_run
from openr1.runs.fingerprint import identify, training_parts
from openr1.runs.inputs import input_artifacts, is_served, missing_artifacts, with_local_checkpoint
from openr1.runs.requirements import check_requirements
from openr1.system.artifacts import Artifact, Store
from openr1.system.errors import ConfigError
from openr1.tracking.progress import share_done
from openr1.training import branching
from openr1.training.budget import resolve
from openr1.training.context import RunEstimate

if TYPE_CHECKING:
    from openr1.config.schema import Config
    from openr1.data import Dataset


@dataclass(frozen=True)
class PreparedRun:
    """One run of one stage, ready to be priced or executed.

    :ivar name: of the step, if the run is a step of a recipe.
    :ivar config: as it is tracked: artifacts by name.
    :ivar local_config: with the directory of its model in ``model.checkpoint``.
    :ivar fingerprint: of everything that decides the result.
    :ivar inputs: fingerprints of the inputs, by name.
    :ivar artifacts: the inputs that are artifacts; empty while one of them does not exist yet.
    :ivar dataset: tokenised data of a stage that trains on tokens; None while an input does not exist yet.
    """

    name: str
    config: Config
    local_config: Config
    fingerprint: str
    inputs: dict[str, str]
    estimate: RunEstimate
    artifacts: dict[str, Artifact]
    dataset: Dataset | None

    @property
    def store(self) -> Store:
        return Store(self.config.paths.artifacts)

    @property
    def kind(self) -> str:
        return self.config.stage.kind

    @property
    def artifact_name(self) -> str:
        return f"{self.kind}-{self.fingerprint}"

    @property
    def partial(self) -> Path:
        """The directory in which the run works until its artifact is whole."""
        return self.store.partial(self.kind, self.fingerprint)

    def artifact(self) -> Artifact | None:
        """Return the artifact that the run makes, if it exists."""
        return self.store.find(self.kind, self.fingerprint)

    def share_done(self) -> float:
        """Return the share of its steps that are done, as its process last reported."""
        return share_done(self.store, self.kind, self.fingerprint)


def prepare(
    config: Config,
    name: str = "",
    identity: tuple[str, dict[str, str]] | None = None,
    shapes: Mapping[str, Shape | None] | None = None,
) -> PreparedRun:
    """Prepare a run of one stage. The data are tokenised if every input exists; nothing else is written.

    :param name: of the step, if the run is a step of a recipe.
    :param identity: the fingerprints of the run and of its inputs, if they are known already.
    :param shapes: for a plan, the shapes of models that earlier steps will make, by the names of their artifacts. Inputs that
        do not exist yet are accepted then.
    :raises ConfigError: if the run is impossible.
    """
    complete = shapes is None or not missing_artifacts(config)
    artifacts = input_artifacts(config) if complete else {}
    if answers := artifacts.get("answers"):  # their data are known, whatever the config says
        config = replace(config, data=replace(config.data, name=answers.data_name))
    local = with_local_checkpoint(config) if complete else config
    if shapes is None:
        check_can_begin(config, identity)  # before the Hub is asked
        _check_checkpoint(local)
    dataset = _dataset(local) if complete else None
    estimate = estimate_run(local, dataset, shapes)
    fingerprint, inputs = identity or identify(config)
    if complete and getattr(config.stage, "trunk", None):
        branching.check_trunk(config, estimate.budget, training_parts(config, inputs), inputs)
    return PreparedRun(name, config, local, fingerprint, inputs, estimate, artifacts, dataset)


def check_can_begin(config: Config, identity: tuple[str, dict[str, str]] | None = None) -> None:
    """Refuse a run that this machine cannot begin, unless it is done already and needs nothing.

    :raises ConfigError: with what is missing.
    """
    try:
        check_requirements(config)
    except ConfigError:
        store, kind = Store(config.paths.artifacts), config.stage.kind
        # first what costs nothing: to identify a run hashes its data
        made = any(path.name.startswith(f"{kind}-") for path in store.folders())
        if not made or not store.find(kind, (identity or identify(config))[0]):
            raise


def _check_checkpoint(config: Config) -> None:
    """Refuse a model that cannot write or draft, or one to fine-tune whose tokenizer or chat template cannot end an answer."""
    checkpoint = checkpoint_of(config.model, config.scale)
    if not checkpoint or not config.stage.needs_model:
        return
    if not config.stage.pairs and not is_served(config) and is_reward_model(checkpoint, config.model.revision):
        raise ConfigError(
            f"model.checkpoint: {checkpoint} is a reward model, which writes no text; stage={config.stage.kind} needs a "
            "language model"
        )
    if not config.stage.trains and getattr(config.engine, "speculative", None):
        check_modules(checkpoint)
    if config.stage.trains and config.stage.kind != "pretrain":
        from openr1.engines.end_tokens import check_end_tokens

        check_end_tokens(checkpoint, config.model.revision, config.data.chat)


def _dataset(config: Config) -> Dataset | None:
    if not config.stage.trains or config.stage.rollouts:
        return None
    if config.stage.kind != "sft" and not config.stage.pairs and config.budget.epochs is None:
        resolve(config)  # an impossible budget is refused before the data are tokenised
    dataset = prepare_dataset(config)
    if config.stage.pairs and config.stage.margin and (names := dataset.without_margin()):
        raise ConfigError(
            f"stage.margin: data.sources.{names[0]} has pairs without a margin; name its column in columns.margin or "
            "columns.scores, or set stage.margin=false"
        )
    return dataset
