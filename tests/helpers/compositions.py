"""Shipped configs that Hydra composes once for each choice of groups: tests compose thousands, at a third of a second each.

Values are set afterwards by Hydra itself, in a copy. A config from any other folder is composed as ever, for it may change.
"""

import copy
import functools

from hydra._internal import config_loader_impl
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.importlib_resources_config_source import ImportlibResourcesConfigSource
from hydra._internal.defaults_list import DefaultsList, Overrides
from hydra.core.config_store import ConfigStore


def remember_compositions() -> None:
    """Have this process remember compositions."""
    if hasattr(config_loader_impl.create_defaults_list, "__wrapped__"):
        return
    _remember_files()
    _remember_defaults_lists()
    _remember_merged_files()


def _remember_files() -> None:
    load = ImportlibResourcesConfigSource.load_config
    made = {}

    @functools.wraps(load)
    def load_config(self, config_path):
        key = (self.path, config_path)
        if key not in made:
            made[key] = load(self, config_path)
        return copy.deepcopy(made[key])

    ImportlibResourcesConfigSource.load_config = load_config


def _remember_defaults_lists() -> None:
    create = config_loader_impl.create_defaults_list
    made = {}

    @functools.wraps(create)
    def create_defaults_list(repo, config_name, overrides_list, prepend_hydra, skip_missing):
        groups = tuple(one.input_line for one in overrides_list if repo.group_exists(one.key_or_group))
        key = (_files(repo), config_name, groups, prepend_hydra, skip_missing)
        if None in key[0]:
            return create(repo, config_name, overrides_list, prepend_hydra, skip_missing)
        if key not in made:
            made[key] = create(repo, config_name, overrides_list, prepend_hydra, skip_missing)
            return made[key]
        overrides = Overrides(repo=repo, overrides_list=overrides_list)
        overrides.known_choices = dict(made[key].overrides.known_choices)
        return DefaultsList(made[key].defaults, made[key].defaults_tree, overrides.config_overrides, overrides)

    config_loader_impl.create_defaults_list = create_defaults_list


def _remember_merged_files() -> None:
    merge = ConfigLoaderImpl._compose_config_from_defaults_list
    made = {}

    @functools.wraps(merge)
    def merge_files(self, defaults, repo):
        key = (_files(repo), repr(defaults))
        if None in key[0]:
            return merge(self, defaults, repo)
        if key not in made:
            made[key] = merge(self, defaults, repo)
        return copy.deepcopy(made[key])

    ConfigLoaderImpl._compose_config_from_defaults_list = merge_files


def _files(repo) -> tuple:
    """Return the sources of a repository and the schemas beside them; None stands for a source that may change."""
    sources = (f"{one.scheme()}{one.path}" if one.scheme() in ("pkg", "structured") else None for one in repo.get_sources())
    return (*sources, *ConfigStore.instance().repo)
