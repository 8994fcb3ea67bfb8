"""Configs of trials are as Hydra composes them."""

from hydra import initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode

from openr1.config.schema import register
from openr1.sweeps.planning.loader import TrialLoader

ZERO = ["recipe=r1_zero", "data=sums"]


def test_a_key_is_deleted_after_what_comes_before_it():
    register()
    with initialize_config_module("openr1.conf", version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        master = loader.load_configuration("config", [], RunMode.MULTIRUN)
        some = TrialLoader(loader)
        for last, steps in (("seed=1", 4), ("~recipe.steps.zero", 3), ("seed=2", 4)):
            overrides = [*ZERO, "recipe.steps.zero.stage.prompts=4", last]
            ours, hydras = (each.load_sweep_config(master, overrides) for each in (some, loader))
            assert len(ours.recipe.steps) == steps
            assert ours.recipe == hydras.recipe
