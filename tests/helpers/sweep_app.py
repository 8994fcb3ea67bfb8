"""An app whose trials are a formula of its config: ``python sweep_app.py -m sweep=search ...``."""

import os
import time

import hydra

from openr1.config.schema import register
from openr1.tracking import observer


def objective(cfg):
    x = cfg.optim.lr
    if cfg.optim.beta1 < 0.5:
        raise ValueError("beta1 is small\nand that is that")
    for i in range(1, 4):
        observer.report(100 * i, {"eval_loss": (x - 0.3) ** 2 + 1 / i})
    time.sleep(float(os.environ.get("TRIAL_SECONDS", "0")))
    if marker := os.environ.get("TRIAL_LOG"):
        with open(marker, "a") as file:
            file.write(f"{x!r}\n")
    return (x - 0.3) ** 2


if __name__ == "__main__":
    from openr1.options.guard import guarded

    register()
    guarded(hydra.main(version_base="1.3", config_path="pkg://openr1.conf", config_name="config")(objective))
