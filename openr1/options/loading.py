"""Typed options: a composed config becomes the dataclasses that declare it, or one line says what is wrong with it.

A dataclass of options stands in the module that uses them. One that has several forms names them in a class variable
``kinds``, from the value of its field ``kind`` to the subclass; :func:`load_config` picks the subclass. A class variable
``unknown_key_hint`` ends the message about a key that the dataclass does not have. Nothing heavy is imported here.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import field, fields, is_dataclass, make_dataclass
from functools import cache
from types import UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from hydra.core.config_store import ConfigStore
from hydra.errors import MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from openr1.options.ranges import check_ranges, typed_fields
from openr1.system.errors import ConfigError

T = TypeVar("T")

BUILT: dict[tuple[type, str, str], Any] = {}  # a dataclass, one of its fields and its values -> the field as it was built
MOST_BUILT = 2000

GRAMMAR = "override_grammar"  # in the errors of Hydra about an override that cannot be parsed

# ends of the messages about a value in the place of a section of options, or of named entries
SECTION = "holds several options; set one as {}.NAME=VALUE"
ENTRIES = "holds several entries; add one as +{}.NAME=VALUE"
ENTRY = "an entry is added whole, as '+{}={{{}:{{KEY:VALUE}}}}'"

# keys of version 0.1, and their names since; refused with the new name for one release
RENAMED_KEYS = {
    "stage.exam": "stage.eval",
    "stage.groups.silent": "stage.groups.zero_variance",
    "stage.evals": "stage.eval_points",
    "stage.logs": "stage.log_points, or for stage=grpo stage.log_every",
    "stage.shown": "stage.log_completions",
    "stage.checks": "stage.preflight",
    "stage.keep": "stage.keep_states",
}
RENAMED_STEPS = {
    f"recipe.steps.exam{end}": f"recipe.steps.eval{end}" for end in ("", "_base", "_zero", "_dev1", "_dev2", "_dev3", "_r1")
}


def load_config(schema: type[T], cfg: DictConfig | Mapping[str, Any]) -> T:
    """Build the dataclasses of a composed config, interpolations resolved.

    :param schema: the dataclass of the whole config.
    :param cfg: from Hydra, a file, a tracked run or Python.
    :raises ConfigError: for an unknown key, a wrong type, a missing value, or a value that a dataclass refuses.
    """
    try:
        composed = OmegaConf.create(dict(cfg)) if not isinstance(cfg, DictConfig) and _has_interpolations(cfg) else cfg
        plain = OmegaConf.to_container(composed, resolve=True) if isinstance(composed, DictConfig) else dict(composed)
        raw = cast(dict[str, Any], plain)
        form = _form(schema, raw, composed, "")
        typed = isinstance(composed, DictConfig) and OmegaConf.get_type(composed) is not dict
        if typed or not set(raw) <= set(typed_fields(form)):
            return cast(T, _build(form, raw, composed))
        return form(**{name: _load_field(form, name, raw) for name in typed_fields(form)})
    except OmegaConfBaseException as error:
        raise ConfigError(one_line(error)) from error


def _load_field(form: type, name: str, raw: Mapping[str, Any]) -> Any:
    """Return a field of a config. The steps of a recipe, or the runs of a study, have most of their fields in common, so that
    one that was built from the same values is copied, which takes a hundredth of the time.
    """
    part = {name: raw[name]} if name in raw else {}
    key = (form, name, repr(part))
    if key not in BUILT:
        if len(BUILT) >= MOST_BUILT:
            BUILT.clear()
        BUILT[key] = getattr(_build(_one_field(form, name), part, None), name)
    return copy.deepcopy(BUILT[key])


@cache
def _one_field(form: type, name: str) -> type:
    """Return a dataclass of one field of another, so that errors name the same keys."""
    [declared] = [one for one in fields(form) if one.name == name]
    default: dict[str, Any] = {"default": declared.default, "default_factory": declared.default_factory}
    return make_dataclass(form.__name__, [(name, typed_fields(form)[name], field(**default))])


def _build(form: type, raw: Any, composed: Any) -> Any:
    """Build a dataclass from plain values.

    :param composed: the node of the values if it may declare subclasses, or None.
    """
    node = OmegaConf.structured(form)
    _choose_forms(node, raw, composed, "")
    merged = cast(DictConfig, OmegaConf.unsafe_merge(node, raw))  # does not copy the node, which is used no more
    check_ranges(merged)
    if missing := sorted(OmegaConf.missing_keys(merged)):
        raise ConfigError(f"{missing[0]}: no value is given")
    return OmegaConf.to_object(merged)


def _has_interpolations(value: Any) -> bool:
    """Return True if a text anywhere in plain containers refers to another key."""
    if isinstance(value, Mapping):
        return any(_has_interpolations(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(_has_interpolations(item) for item in value)
    return isinstance(value, str) and "${" in value


def load_options(schema: type[T], given: Mapping[str, Any], key: str) -> T:
    """Build the dataclass of options that stand at ``key`` of a config.

    :raises ConfigError: for an option that does not exist, or whose type or value is wrong.
    """
    try:
        merged = cast(DictConfig, OmegaConf.merge(OmegaConf.structured(schema), dict(given)))
        check_ranges(merged, key)
        if missing := sorted(OmegaConf.missing_keys(merged)):
            raise ConfigError(f"{key}.{missing[0]}: no value is given")
        return cast(T, OmegaConf.to_object(merged))
    except OmegaConfBaseException as error:
        raise ConfigError(f"{key}.{one_line(error)}") from error
    except ConfigError:
        raise
    except ValueError as error:  # of the dataclass itself: "name: what is allowed"
        raise ConfigError(f"{key}.{error}") from error


def _choose_forms(node: DictConfig, raw: Any, composed: Any, key: str) -> None:
    """Put the subclass that ``raw`` asks for wherever the schema ``node`` allows several."""
    schema = cast(type, OmegaConf.get_type(node))
    hints = _hints(schema)
    for name in (declared.name for declared in fields(schema)):
        value = raw.get(name) if isinstance(raw, Mapping) else None
        if not isinstance(value, Mapping):
            if value not in (None, "???") and all(map(is_dataclass, _alternatives(hints[name]))):
                raise ConfigError(f"{key}{name}: {SECTION.format(f'{key}{name}')}")
            continue
        given = composed[name] if isinstance(composed, DictConfig) else None
        for hint in _alternatives(hints[name]):
            if isinstance(hint, type) and is_dataclass(hint):
                _choose_form(node, name, hint, value, given, f"{key}{name}.")
            elif get_origin(hint) is dict and is_dataclass(get_args(hint)[1]):
                for entry, inner in value.items():
                    below = given[entry] if isinstance(given, DictConfig) else None
                    _choose_form(node[name], entry, get_args(hint)[1], inner, below, f"{key}{name}.{entry}.")


_hints = cache(get_type_hints)


def _choose_form(parent: DictConfig, name: Any, schema: type, raw: Any, composed: Any, key: str) -> None:
    form = _form(schema, raw, composed, key)
    child = parent.get(name) if name in parent else None
    if child is None or OmegaConf.get_type(child) is not form:
        parent[name] = OmegaConf.structured(form)
    _choose_forms(parent[name], raw, composed, key)


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _form(schema: type, raw: Any, composed: Any, key: str) -> type:
    """Return the subclass of ``schema`` that a node is of."""
    declared = OmegaConf.get_type(composed) if isinstance(composed, DictConfig) else None
    if isinstance(declared, type) and issubclass(declared, schema):
        return declared
    kinds = schema.__dict__.get("kinds")
    if not kinds:
        return schema
    kind = raw.get("kind", "???") if isinstance(raw, Mapping) else "???"
    if kind not in kinds:
        raise ConfigError(f"{key}kind: {kind!r} is not one of {', '.join(kinds)}")
    return kinds[kind]


def one_line(error: Exception) -> str:
    """Put an error of Hydra or OmegaConf into one line that begins with the key and says what is allowed."""
    if isinstance(error, MissingConfigException):
        group, _, choice = (error.missing_cfg_file or "").rpartition("/")
        return (
            f"{group}={choice}: is not one of {', '.join(error.options)}"
            if error.options
            else f"{group}={choice}: is no choice"
        )
    if GRAMMAR in str(error):
        found = re.search(r"(?:override|input|error at:) '(?!<EOF>)(.+?)'(?:\s|$)", str(error))
        found = found or re.search(r"LexerNoViableAltException: (\S.*)", str(error))
        word = found[1] if found else "an override"
        if "missing EQUAL" in str(error):
            return f"{word}: is not KEY=VALUE, such as scale=100k"
        hint = "close its brackets and quotes, or put a text that has such characters or a ~ in quotes: \"KEY='[1'\""
        return f"{word}: cannot be read; {hint}"
    # a ConfigError has been put into words already, with the whole of its key
    wrapped = isinstance(error.__cause__, OmegaConfBaseException) and not isinstance(error, ConfigError)
    cause = error.__cause__ if wrapped else error
    key, parent = getattr(cause, "full_key", None), getattr(cause, "parent_node", None)
    if isinstance(cause, ConfigAttributeError | ConfigKeyError) and key and isinstance(parent, DictConfig):
        renamed_keys = RENAMED_KEYS | RENAMED_STEPS
        if renamed := next((new for old, new in renamed_keys.items() if f".{key}".endswith(f".{old}")), None):
            return f"{key}: this key is now called {renamed}"
        there = f"; there are {', '.join(map(str, parent))}" if len(parent) else ""
        schema = OmegaConf.get_type(parent)
        hint = vars(schema).get("unknown_key_hint", "") if isinstance(schema, type) else ""
        # where any key may stand, Hydra takes a new one with a plus
        hint = (f"+{key}=… adds it" if _may_be_added(key) else "") if schema is dict else hint
        return f"{key}: no such key{there}" + (f"; {hint}" if hint else "")
    override = re.search(r"Error merging override \+{0,2}([^=]+)=(.*)", str(error))
    if override and override[1].endswith(f".{key}"):
        key = override[1]  # of an entry of a mapping, OmegaConf names the last part alone
    if shape := _describe_shape(str(cause), str(key), *(override.groups() if override else (str(key), ""))):
        return shape
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    text = " ".join(line for line in lines if not line.startswith(("full_key:", "object_type=", "reference_type=")))
    return f"{key}: {text}" if key and not text.startswith(str(key)) else text


def _may_be_added(key: str) -> bool:
    """Tell whether a new key of a mapping may be accepted: in a step of a recipe, it has to be one of the config of a run."""
    step = re.fullmatch(r"recipe\.steps\.[^.]+\.(.+)", key)
    run = ConfigStore.instance().repo.get("Config.yaml")
    schema: Any = OmegaConf.get_type(run.node) if step and run else None
    for name in step[1].split(".") if step else ():
        if not is_dataclass(schema) or hasattr(schema, "kinds"):  # any key, or those of a form that kind= chooses
            return True
        if name not in {field.name for field in fields(schema)}:
            return False
        schema = next((hint for hint in _alternatives(_hints(cast(type, schema))[name]) if is_dataclass(hint)), None)
    return True


def _describe_shape(message: str, key: str, option: str, value: str) -> str:
    """Say in the words of the command line that a value is a list, or is none; an empty text if that is not what is wrong.

    :param key: where the fault is, which may be but a place in the list.
    :param option: the option that was given the value.
    """
    if "Cannot merge DictConfig with ListConfig" in message:
        return f"{key}: is a list; write {key}=[…]"
    if "list index out of range" in message:
        return f"{key}: there is no such place in the list; write it whole, as {key.partition('[')[0]}=[…]"
    if "is not a ListConfig" in message:
        written = f"; write {option}=[{value if key == option or value.startswith('[') else f'[{value}]'}]" if value else ""
        return f"{option}: is a list{' of lists' * (key != option)}{written}"
    if re.search(r"'(list|ListConfig)' to string|of type '(list|ListConfig)' could not be converted", message):
        return f"{option}: takes one value, not a list" + (f" such as {value}" if value else "")
    if message.startswith("Invalid type assigned: dict is not a subclass"):  # of a new entry, which Hydra leaves untyped
        parts = option.split(".")
        above, name = key.rpartition(".")[0], key.rpartition(".")[2]
        if not above and name in parts[1:]:  # OmegaConf names the last part alone
            above = ".".join(parts[: parts.index(name, 1)])
        return f"{above}: {ENTRY.format(above, name)}"
    if re.match(r"Invalid type assigned|Cannot merge DictConfig with|Cannot assign \w+ to Dict", message):
        return f"{key}: {(ENTRIES if 'to Dict' in message else SECTION).format(key)}"
    return ""


def flatten(node: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested containers with dotted keys: ``{"optim": {"lr": 1}}`` -> ``{"optim.lr": 1}``."""
    flat: dict[str, Any] = {}
    for key, value in node.items():
        name = f"{prefix}{key}"
        flat.update(flatten(value, f"{name}.") if isinstance(value, dict) and value else {name: value})
    return flat
