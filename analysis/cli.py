"""``openr1-fit``: fit laws to the finished runs of a study and write the report."""

from __future__ import annotations

import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from openr1.analysis.config import FitConfig, register_custom_laws, register_schemas
from openr1.options import load_config
from openr1.options.guard import exiting, guarded
from openr1.system.faults import writing
from openr1.system.files import check_place


@hydra.main(version_base="1.3", config_path="pkg://openr1.conf.analysis", config_name="config")
def app(cfg: DictConfig) -> None:
    """Fit, write the report and print its summary."""
    with exiting():
        config = load_config(FitConfig, cfg)
        from openr1.analysis import report, study
        from openr1.analysis.progress import on_terminal
        from openr1.analysis.report import terminal, tracked

        check_place(config.directory, "out" if config.out else "outputs")
        if config.ablation.metric is not None:
            _compare_variants(config)
            return
        overrides = list(HydraConfig.get().overrides.task)
        with on_terminal():
            result = (study.analyse_groups if config.by else study.analyse)(config, overrides)
            with writing(config.directory):
                report.write(result)
                tracked.log(result)
        terminal.show(result)


def _compare_variants(config: FitConfig) -> None:
    """Compare the variants of a study with its base line, write the table and print it."""
    from openr1.analysis.report import ablations
    from openr1.analysis.study import compare_variants

    study = compare_variants(config)
    with writing(config.directory):
        path = ablations.write(study, config)
    ablations.show(study, config, path)


def main() -> None:
    """Run the command ``openr1-fit``."""
    register_schemas()
    with exiting():
        register_custom_laws(sys.argv[1:])
    guarded(app)
