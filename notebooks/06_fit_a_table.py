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
# # 6. Fit your own table, or a published one
#
# **Do the published runs of Chinchilla support the law that was published with them?**
#
# A law is fitted to any table with a row per run, from any framework. Here it is a table from the literature: runs of
# Hoffmann et al. (arXiv 2203.15556). Besiroglu et al. (arXiv 2404.10102) found that the published parameters do not
# fit the published runs.

# %%
import pandas as pd

from openr1 import analysis
from openr1.analysis.formatting import short
from openr1.system.notebooks import enter_project

enter_project()

# %% tags=["parameters"]
PATH = "notebooks/tables/chinchilla.csv"  # your own: CSV, JSON, Excel, Parquet or Feather
COLUMNS = {"N": "params", "D": "tokens", "C": "flops"}  # quantity -> its column in the table
PUBLISHED = {"E": 1.69, "A": 406.4, "alpha": 0.34, "B": 410.7, "beta": 0.28}  # arXiv 2203.15556, equation 10
FLOPS = 5.76e23  # of Gopher and of Chinchilla
RESAMPLES = 200  # of the bootstrap; 1000 for a paper

# %% [markdown]
# ## The table
#
# A value that can be read in one way only is read so. Any other value is refused, and the message names the column and
# the value. Rows that are left out are listed with the reason.

# %%
table = analysis.read_file(PATH, **COLUMNS)
table

# %%
analysis.plot(table.frame, "C", "loss", by="N")

# %% [markdown]
# ## The fit

# %%
fit = analysis.fit(table, "chinchilla", bootstrap=analysis.Bootstrap(resamples=RESAMPLES))
fit

# %%
fit.plot()

# %% [markdown]
# ## The published parameters beside it
#
# The same law with all parameters held at the published values, on the same runs.

# %%
published = analysis.fit(table, "chinchilla", fix=PUBLISHED, bootstrap=analysis.Bootstrap(resamples=0))
fit.to_frame().assign(published=published.params).round(4)

# %%
rows = table.frame
off = {name: 100 * (law.predict(rows) / rows["loss"] - 1) for name, law in {"fit": fit, "published": published}.items()}
errors = rows.join(pd.DataFrame(off)).melt(id_vars=["C"], value_vars=list(off), var_name="law", value_name="error")
analysis.plot(errors, "C", "error", by="law", error="Error of the law (%)")

# %% [markdown]
# ## The answer

# %%
ours, theirs = fit.frontier([FLOPS]).iloc[0], published.frontier([FLOPS]).iloc[0]
worse = published.objective["value"] / fit.objective["value"]
print(
    f"The published parameters leave {worse:.1f} times the smallest sum of losses on these runs. With {FLOPS:.2e} FLOPs"
    f" they would train {short(theirs['N'])} parameters, at {theirs['D'] / theirs['N']:.0f} tokens a parameter; the fit"
    f" {short(ours['N'])} ({short(ours['N_low'])} to {short(ours['N_high'])}), at {ours['D'] / ours['N']:.0f}."
)
