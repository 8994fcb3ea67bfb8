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
# # 3. What reinforcement learning buys
#
# **How much does reinforcement learning add to a base model, for what share of its compute, and where does it end?**
#
# The recipe is R1-Zero: a base model answers problems, and is rewarded for right answers and for form alone.

# %%
import pandas as pd

from openr1 import analysis
from openr1.analysis.formatting import share, with_interval
from openr1.system.notebooks import enter_project

enter_project()

# %% tags=["parameters"]
STUDY = "r1_zero_micro"  # made by `make demo`
WORDS = ["experiment=r1_zero_micro"]  # of openr1-fit, for the law of the learning curve

# %% [markdown]
# ## The runs
#
# A trial of the recipe has several steps, each a run of its own: the base model, reinforcement learning, and an
# evaluation of each.

# %%
trials = analysis.read_study(STUDY)
learned = trials.filter(stage="grpo")
learned

# %% [markdown]
# ## What it learns
#
# The pass rate on problems that it does not train on, and the share of answers that reason before they answer.

# %%
curves = learned.curves("pass_at_1", "seed")
analysis.plot(curves, "flops", "pass_at_1", by="seed", flops="FLOPs of reinforcement learning")

# %%
curves = learned.curves("reasoned_rate", "seed")
analysis.plot(curves, "flops", "reasoned_rate", by="seed", reasoned_rate="Share that reasons")

# %%
analysis.plot(
    learned.curves("response_tokens", "seed"), "flops", "response_tokens", by="seed", response_tokens="Tokens of an answer"
)

# %% [markdown]
# ## Where it ends
#
# A sigmoid in the logarithm of compute (arXiv 2510.13786) is fitted to the first half of the curve, and predicts the
# second half.

# %%
study = analysis.fit_study(*WORDS)
analysis.draw(study, "groups")

# %% [markdown]
# ## What it costs
#
# Before and after, with the 95 % intervals of the evaluations, against all FLOPs that were spent by then.

# %%
trial = trials.frame.iloc[0]
spent = {"base": trial["base.flops"], "zero": trial["base.flops"] + trial["zero.flops"]}
ends = {step: [trial[f"eval_{step}.pass_at_1{end}"] for end in ("", "_low", "_high")] for step in spent}
steps = pd.DataFrame(ends, index=["pass_at_1", "low", "high"]).T.assign(C=spent).reset_index(names="after")
analysis.plot(steps, "C", "pass_at_1", ends=("low", "high"), C="FLOPs of the base model and of reinforcement learning")

# %% [markdown]
# ## The answer

# %%
part = trial["zero.flops"] / trial["base.flops"]
print(
    f"Reinforcement learning takes {part:.0%} of the FLOPs of the base model, and raises the pass rate from"
    f" {with_interval(*ends['base'], share)} to {with_interval(*ends['zero'], share)}."
)
print(analysis.tell(study))
