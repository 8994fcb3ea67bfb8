"""The sources of data by kind, and those of a mix opened."""

from __future__ import annotations

from pathlib import Path

from openr1.data.options import DataConfig, Paths, SourceConfig
from openr1.data.preference_sources import PreferenceFiles, PreferenceHub, ReadablePairs
from openr1.data.sources import ArtifactData, Files, Hub, Procedural, PythonStdlib, Source

SOURCE_CLASSES: dict[str, type[Source]] = {
    "python_stdlib": PythonStdlib,
    "files": Files,
    "hub": Hub,
    "task": Procedural,
    "artifact": ArtifactData,
    "preference_files": PreferenceFiles,
    "preference_hub": PreferenceHub,
    "readability": ReadablePairs,
}


def open_sources(data: DataConfig, paths: Paths, group: str = "sources") -> dict[str, Source]:
    """Open the sources of a mix by name, in the order of the config.

    :param group: ``sources`` or ``held_out``.
    """
    cache, artifacts = Path(paths.cache), Path(paths.artifacts)
    configs: dict[str, SourceConfig] = getattr(data, group)
    return {
        name: SOURCE_CLASSES[config.kind](f"data.{group}.{name}", config, cache, artifacts) for name, config in configs.items()
    }
