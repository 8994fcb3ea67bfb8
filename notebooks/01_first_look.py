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
# # 1. A first look at the runs
#
# **How did the runs of a study go, and which of them came out best?**
#
# A study is a set of runs that answers one question. This notebook reads its finished runs from MLflow, draws their
# curves, and compares them at equal compute, before any law is fitted.

# %%
from openr1 import analysis
from openr1.analysis.formatting import compute, short
from openr1.system.notebooks import enter_project

enter_project()

# %% tags=["parameters"]
STUDY = "demo"  # made by `make demo`; any study that `openr1-plan studies` lists will do

# %% [markdown]
# ## The runs
#
# A row is a run: `N` parameters, `D` training tokens, `C` training FLOPs, and its results. `.frame` is a pandas
# DataFrame with every metric, tag and param.

# %%
runs = analysis.read_study(STUDY)
runs

# %% [markdown]
# ## Did they learn?
#
# The loss on held-out text during training. A run that diverged, or that stopped learning, stands apart from the
# others of its size.

# %%
curves = runs.curves("eval_loss", "scale")
analysis.plot(curves, "flops", "eval_loss", by="scale")

# %% [markdown]
# ## Which size is best at equal compute?
#
# Each line is one budget of FLOPs. A small model sees more tokens for the same FLOPs, and a large one learns more
# from each. The best size lies between them if the line has a minimum inside.

# %%
points = runs.tidy().frame
analysis.plot(points, "N", "loss", by="budget")

# %% [markdown]
# ## What did they cost?

# %%
analysis.plot(runs.frame, "C", "wall_seconds", by="scale", wall_seconds="Seconds of training")

# %% [markdown]
# ## The answer

# %%
best = points.loc[points.groupby("budget")["loss"].idxmin()].sort_values("C")
first, last = best.iloc[0], best.iloc[-1]
lowest = points.loc[points["loss"].idxmin()]
print(
    f"Of {len(runs)} runs, {lowest['name']} has the lowest loss, {lowest['loss']:.3f} nats a token. The best size is"
    f" {short(first['N'])} parameters at {compute(first['C'])} FLOPs, and {short(last['N'])} at {compute(last['C'])}."
)
