"""Validation of a stage and its inputs. Nothing is read: the name of an artifact tells its content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openr1.data.options import SOURCES, ArtifactSource
from openr1.engines.options import Sampling, check_engine
from openr1.models.checkpoints import checkpoint_of
from openr1.rewards.options import check_scoring_term
from openr1.rl.validation import check_policy
from openr1.stages.options import (
    STAGES,
    AskStage,
    CurateStage,
    GenerateStage,
    GrpoStage,
    PretrainStage,
    RejectStage,
)
from openr1.stages.scoring_models import COMPARING, scoring_models
from openr1.system.artifacts import NAME
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    from openr1.config.schema import Config
    from openr1.data.options import SourceConfig


def check_stage(config: Config) -> None:
    """Refuse a stage that cannot run on its inputs.

    :raises ConfigError: for the first key that is wrong.
    """
    stage = config.stage
    if getattr(stage, "sampling", Sampling()).n != 1:
        raise ConfigError("stage.sampling.n: stage.samples sets the number of answers a problem")
    if config.model.checkpoint:
        wanted = ("model", "reward_model") if stage.pairs else ("model",)
        check_content("model.checkpoint", config.model.checkpoint, *wanted)
    for key in COMPARING:
        if hasattr(stage, key):
            check_scoring_term(getattr(stage, key), f"stage.{key}")
    for one in scoring_models(config):
        if one.model is not None:
            check_content(f"{one.key}.model", one.model, "reward_model")
    answers = getattr(stage, "answers", None)
    if answers:
        check_content("stage.answers", answers, "answers", "scores")
        return
    for group in ("sources", "held_out"):
        for name, source in getattr(config.data, group).items():
            _check_source(f"data.{group}.{name}", source, config)
    if isinstance(stage, PretrainStage):
        _check_trunk_options(stage)
    if stage.rollouts:
        if config.optim.warmup_tokens is not None:
            raise ConfigError(
                f"optim.warmup_tokens: stage={stage.kind} has no fixed number of tokens a step; give optim.warmup"
            )
        _check_engine(config)
        check_policy(config)
    elif config.budget.completions is not None and stage.trains:
        raise ConfigError(f"budget.completions: stage={stage.kind} reads data; give tokens, flops, steps or epochs")
    elif isinstance(stage, CurateStage):
        _check_curation_inputs(stage)
    elif isinstance(stage, GenerateStage) and stage.teacher == "oracle":
        _check_oracle(stage, config)
    elif isinstance(stage, AskStage):
        if isinstance(stage, RejectStage):
            _check_curation_steps(stage)
        _check_engine(config)


def _check_trunk_options(stage: PretrainStage) -> None:
    named = NAME.fullmatch(stage.trunk or "")
    if named and named[1] != stage.kind:
        raise ConfigError(f"stage.trunk: {stage.trunk} is of stage={named[1]}; a trunk is of stage={stage.kind}")


def _check_engine(config: Config) -> None:
    engine, kind = config.engine, config.stage.kind
    check_engine(engine)
    if isinstance(config.stage, GrpoStage) and engine.served:
        raise ConfigError(
            "engine.kind: stage=grpo generates with transformers or vllm; for a vLLM server give stage.vllm.server"
        )
    if engine.served and not engine.model:
        raise ConfigError(f"engine.model: stage={kind} asks a model; give its name on the server")
    if not engine.served and engine.model:
        raise ConfigError("engine.model: is for servers only; give model.checkpoint")
    if not engine.served and not checkpoint_of(config.model, config.scale):
        raise ConfigError(f"model.checkpoint: stage={kind} asks a model; give an artifact, a directory or a Hub id")


def check_content(key: str, reference: str, *wanted: str) -> None:
    """Refuse the name of an artifact whose stage makes other content.

    :param wanted: contents that are allowed.
    :raises ConfigError: naming the stages that make them.
    """
    named = NAME.fullmatch(reference)
    if named is None:
        return
    kind = named[1]
    if kind not in STAGES:
        raise ConfigError(f"{key}: {reference} is not of a stage; the stages are {', '.join(STAGES)}")
    if STAGES[kind].makes not in wanted:
        makers = [name for name, stage in STAGES.items() if stage.makes in wanted]
        raise ConfigError(
            f"{key}: stage={kind} makes {STAGES[kind].makes}; {' or '.join(wanted)} are made by {', '.join(makers)}"
        )


def _check_source(key: str, source: SourceConfig, config: Config) -> None:
    kind = config.stage.kind
    if config.stage.pairs and not source.pairs:
        known = ", ".join(name for name, options in SOURCES.items() if options.pairs)
        raise ConfigError(f"{key}: stage={kind} needs preference pairs; a {source.kind} source has none; use {known}")
    if source.pairs:
        if not config.stage.pairs:
            trainers = ", ".join(name for name, options in STAGES.items() if options.pairs)
            raise ConfigError(
                f"{key}: a {source.kind} source has preference pairs, which stage={kind} cannot use; they are for {trainers}"
            )
        return
    if isinstance(source, ArtifactSource):
        check_content(f"{key}.artifact", source.artifact, "examples", "answers")
    if STAGES[kind].rollouts or issubclass(STAGES[kind], AskStage):
        if source.kind not in ("task", "files", "hub") and (kind in ("evaluate", "grpo") or key.startswith("data.sources")):
            raise ConfigError(f"{key}: stage={kind} needs problems; a {source.kind} source has none; use task, files or hub")
        return
    if getattr(source, "messages", None) is not None:
        if not config.data.chat:
            raise ConfigError(f"{key}.messages: conversations are trained on as chats; set data.chat")
        return
    prompt, completion = getattr(source, "prompt", None), getattr(source, "completion", None)
    if (prompt is None) != (completion is None) and config.stage.trains:
        raise ConfigError(f"{key}.prompt: give both prompt and completion, or neither")
    if getattr(source, "reasoning", None) is not None and prompt is None:
        raise ConfigError(f"{key}.reasoning: needs a prompt and a completion; give both")
    if kind == "sft" and source.kind not in ("task", "artifact") and prompt is None:
        raise ConfigError(f"{key}: stage=sft needs prompts and completions; this {source.kind} source has none")


def _check_oracle(stage: GenerateStage, config: Config) -> None:
    if stage.samples != 1:
        raise ConfigError(f"stage.samples: an oracle has one trace for each problem, not {stage.samples}")
    for name, source in config.data.sources.items():
        if source.kind != "task":
            raise ConfigError(
                f"stage.teacher: an oracle answers task sources only; data.sources.{name} is of kind {source.kind}"
            )


def _check_curation_inputs(stage: CurateStage) -> None:
    if not stage.inputs:
        raise ConfigError("stage.inputs: give at least one artifact of answers, such as a name generate-…")
    for place, reference in enumerate(stage.inputs):
        check_content(f"stage.inputs[{place}]", reference, "answers")
    _check_curation_steps(stage)


def _check_curation_steps(stage: CurateStage | RejectStage) -> None:
    from openr1.curation.options import steps_of

    steps_of("stage.steps", stage.steps)
