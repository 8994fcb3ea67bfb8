# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 5. Which hyperparameters transfer
#
# **Does the best learning rate of a small model hold for a larger one, and does the parametrization matter?**
#
# A grid of learning rates at each size, in the standard parametrization and in CompleteP, which is meant to make the
# best one independent of the size. This notebook makes the study itself, in a few minutes on two cores; finished runs
# are not repeated.

# %%
from openr1 import analysis
from openr1.system.notebooks import enter_project, run

enter_project()

# %% tags=["parameters"]
STUDY = "transfer_notebook"
SCALES = ["50k", "100k", "200k"]
TOKENS = 100_000  # of each run
PARAMETRIZATIONS = ["standard", "completep"]
RATES = [0.25, 0.5, 1, 2, 4]  # times optim.lr of experiment=transfer_micro
EXTEND = 1  # rates that are added at an end of the grid, where the lowest loss is there
MORE = ""  # further overrides

# %% [markdown]
# ## The study

# %%
run(
    f"openr1 -m experiment=transfer_micro study={STUDY} optim.parametrization={','.join(PARAMETRIZATIONS)} optim.kind=adamw"
    f" sweep.scales=[{','.join(SCALES)}] sweep.tokens=[{TOKENS}] sweep.rates=[{','.join(map(str, RATES))}]"
    f" sweep.extend={EXTEND} data.eval_tokens=16384 {MORE}"
)

# %% [markdown]
# ## The loss against the learning rate
#
# If the learning rate transfers, the minima of all sizes stand above each other.

# %%
runs = analysis.read_study(STUDY)
first, last = (runs.filter(**{"optim.parametrization": name}).frame for name in PARAMETRIZATIONS)
analysis.plot(first, "lr", "eval_loss", by="scale", lr=f"Learning rate, {PARAMETRIZATIONS[0]}")

# %%
analysis.plot(last, "lr", "eval_loss", by="scale", lr=f"Learning rate, {PARAMETRIZATIONS[1]}")

# %% [markdown]
# ## What it costs to take the small model's learning rate
#
# The regret: the loss at the largest size with the best learning rate of the smallest size, above the loss with its
# own best one.

# %%
study = analysis.fit_study("experiment=transfer_micro", f"runs.study={STUDY}")
analysis.draw(study, "transfer")

# %% [markdown]
# ## The answer

# %%
print(analysis.tell(study))
