"""``openr1-fit``: fit laws to the finished runs of a study and write the report."""

from __future__ import annotations

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from analysis.config import register, typed
from openr1.console import exit_with, guarded
from openr1.errors import ConfigError


@hydra.main(version_base="1.3", config_path="pkg://conf.analysis", config_name="config")
def app(cfg: DictConfig) -> None:
    try:
        config = typed(cfg)
        from analysis.report.group_study import analyse_by
        from analysis.report.study import analyse

        study = (analyse_by if config.by else analyse)(config, overrides=list(HydraConfig.get().overrides.task))
    except ConfigError as error:
        exit_with(error)
    study.write()
    study.show()


def main() -> None:
    """The command ``openr1-fit``."""
    register()
    guarded(app)
