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
# # 7. Plan the next study, and register a forecast
#
# **Which run should be made next within a time, and what will its loss be?**
#
# The runs of a study price and forecast candidates that do not exist yet. The best of them gets a registered
# forecast: a file that never changes, so that the run can prove it wrong.

# %%
import pandas as pd

from openr1 import analysis
from openr1.system.notebooks import enter_project, run

enter_project()

# %% tags=["parameters"]
STUDY = "demo"  # whose runs are known
RECIPE = "experiment=demo"  # the overrides that its runs share
NEXT = "demo_next"  # the study of the planned runs
SCALES = ["50k", "100k", "150k", "200k", "300k"]
BUDGETS = ["2.5e12", "5e12", "1e13"]  # FLOPs of a run
MINUTES = 10  # that the run may take on this machine
ALONE = "hydra.launcher.n_jobs=1"  # no other run beside it, since that would slow it down
MORE = ""  # further overrides

# %% [markdown]
# ## The prices
#
# `openr1-plan` resolves every candidate and prices it by the speed of earlier runs on this machine. Nothing is
# trained.

# %%
run(f"openr1-plan {RECIPE} study={NEXT} scale={','.join(SCALES)} budget.flops={','.join(BUDGETS)} {ALONE} {MORE}")

# %% [markdown]
# ## The forecasts
#
# Several laws are compared by how well they predicted the larger runs of the study from the smaller ones, and the
# best one forecasts.

# %%
runs = analysis.read_study(STUDY)
plan = analysis.read_plan(NEXT)
forecast = analysis.forecast(runs, at=plan[["N", "D", "C"]])
planned = plan.join(forecast.table.drop(columns=["N", "D", "C"])).assign(minutes=plan["seconds"] / 60)
planned[["name", "N", "D", "C", "minutes", "predicted", "run_low_95", "run_high_95"]].round(3)

# %%
words = {"minutes": "Minutes on this machine", "predicted": "Forecast loss (nats/token)"}
analysis.plot(planned, "minutes", "predicted", by="N", **words)

# %% [markdown]
# Within the time, the candidate of the lowest forecast is chosen. It stands here beyond the best runs so far, with
# the interval in which the run is expected to be.

# %%
affordable = planned[(planned["minutes"] <= MINUTES) & (planned["state"] == "waiting")]
chosen = affordable.loc[affordable["predicted"].idxmin()]
done = runs.tidy().frame
best = done.loc[done.groupby("budget")["loss"].idxmin(), ["C", "loss"]].assign(what="best of a budget")
ahead = chosen.to_frame().T.rename(columns={"predicted": "loss"}).assign(what="forecast")
both = pd.concat([best, ahead])
analysis.plot(both, "C", "loss", by="what", ends=("run_low_95", "run_high_95"), what="")

# %% [markdown]
# ## The registration
#
# The forecast is written before the run exists. It is refused for a run that has begun, and never written twice.

# %%
if chosen["fingerprint"] not in list(analysis.read_forecasts(NEXT)["fingerprint"]):
    run(f"openr1-plan {' '.join(chosen['overrides'])} {ALONE} forecast={STUDY}")
analysis.read_forecasts(NEXT)

# %% [markdown]
# ## The answer

# %%
print(
    f"Within {MINUTES} minutes, make the run {chosen['name']}, which is priced at {chosen['minutes']:.1f} minutes. Its loss"
    f" is forecast as {chosen['predicted']:.3f}, with 95 % probability from {chosen['run_low_95']:.3f} to"
    f" {chosen['run_high_95']:.3f}."
)
