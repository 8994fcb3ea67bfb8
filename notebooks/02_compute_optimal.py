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
# # 2. Compute-optimal sizes
#
# **Which model should be trained with more compute, and how far can the laws that say so be believed?**
#
# Three laws are fitted to the same runs: IsoFLOP profiles, the parametric law L(N, D), and a power law of the best
# loss. The largest budget is held out, and each law predicts it without having seen it.

# %%
import pandas as pd

from openr1 import analysis
from openr1.analysis.report.study_warnings import study_warnings
from openr1.system.notebooks import enter_project

enter_project()

# %% tags=["parameters"]
# the words of openr1-fit: an experiment, or another study (runs.study=NAME), or a file (runs=csv runs.path=FILE)
WORDS = ["experiment=demo"]

# %% [markdown]
# ## The best size of each budget

# %%
study = analysis.fit_study(*WORDS)
analysis.draw(study, "isoflop")

# %% [markdown]
# ## The loss and the sizes beyond the runs
#
# The law that predicted the held-out runs best is drawn with its 95 % interval, dashed where no run has been.

# %%
analysis.draw(study, "frontier", "allocation")

# %% [markdown]
# ## How far to believe them
#
# Three tests. How well does each law predict the runs that were held out? Do the laws agree on the optimum at the
# target budget? Do the residuals have a trend, which a law of the right form would not leave?

# %%
errors = {name: study.held_out_error(fit) for name, fit in study.fits.items()}
optima = pd.concat({name: fit.frontier([study.target_flops]) for name, fit in study.fits.items()})
optima.droplevel(1).assign(held_out_error=errors)

# %%
analysis.draw(study, "residuals")

# %% [markdown]
# The warnings come sorted, the gravest first. A law that could not be fitted is listed with the reason.

# %%
print(*study_warnings(study)[:5], *(f"{law}: {reason}" for law, reason in study.failed.items()), sep="\n")

# %% [markdown]
# ## The answer

# %%
print(analysis.tell(study))
