"""``openr1-fit``: fit laws to the finished runs of a study and write the report."""

from __future__ import annotations

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from analysis.config import FitConfig, register_schemas
from openr1.console import exit_with, guarded
from openr1.errors import ConfigError
from openr1.options import load_config


@hydra.main(version_base="1.3", config_path="pkg://conf.analysis", config_name="config")
def app(cfg: DictConfig) -> None:
    """Fit, write the report and print its summary."""
    try:
        config = load_config(FitConfig, cfg)
        from analysis import report, study
        from analysis.report import terminal

        overrides = list(HydraConfig.get().overrides.task)
        result = (study.analyse_groups if config.by else study.analyse)(config, overrides)
    except ConfigError as error:
        exit_with(error)
    report.write(result)
    terminal.show(result)


def main() -> None:
    """Run the command ``openr1-fit``."""
    register_schemas()
    guarded(app)
