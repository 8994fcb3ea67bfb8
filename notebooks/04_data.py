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
# # 4. Data
#
# **What is a token of training data worth: if answers were not verified, if tokens are repeated, if they come from
# elsewhere?**
#
# Three small studies, which this notebook makes itself with the commands of the project, in some minutes on two
# cores. Finished runs are not repeated, so that a second execution only draws.

# %%
from openr1 import analysis
from openr1.analysis.formatting import short
from openr1.system.notebooks import enter_project, run

enter_project()

# %% tags=["parameters"]
SCALE = "30k"
TOKENS = 400_000  # of each run on source code
UNIQUE = [25_000, 50_000, 100_000, 200_000, 400_000]  # of which so many are distinct
TRACES = [100_000, 200_000, 400_000]  # tokens of a student that learns from answers
PROBLEMS = 3_000  # that the teacher answers
ASKED = 200  # held-out problems that a student is asked
MORE = ""  # further overrides of all commands

# %% [markdown]
# ## Verification
#
# A small teacher answers problems, and is often wrong. Students learn from all of its answers, or only from those
# that a verifier found right. Both have the same number of tokens. The loss is that of right answers to other
# problems.

# %%
run(
    f"openr1 -m experiment=distill_micro study=data_verification recipe=distill_trained,distill_unverified scale={SCALE}"
    f" budget.tokens={','.join(map(str, TRACES))} data.sources.sums.problems={PROBLEMS}"
    f" recipe.steps.eval.stage.problems={ASKED} {MORE}"
)

# %%
students = analysis.read_study("data_verification").frame
analysis.plot(students, "student.tokens", "eval_loss", by="recipe", **{"student.tokens": "Tokens of the student"})

# %%
ends = ("pass_at_1_low", "pass_at_1_high")
analysis.plot(students, "student.tokens", "pass_at_1", by="recipe", ends=ends, **{"student.tokens": "Tokens of the student"})

# %% [markdown]
# ## Repetition
#
# All runs train on the same number of tokens. Only the number of distinct ones differs, so that few of them are seen
# many times.

# %%
run(
    f"openr1 -m study=data_repetition model=qwen3 model.rope_theta=1000 scale={SCALE} budget.tokens={TOKENS}"
    f" data.unique_tokens={','.join(map(str, UNIQUE))} data.eval_tokens=16384 {MORE}"
)

# %%
repeated = analysis.read_study("data_repetition").frame
analysis.plot(repeated, "epochs", "eval_loss", epochs="Passes over the data")

# %% [markdown]
# ## Mixes
#
# Source code and sums in several shares, evaluated on one held-out mix of both: nine tokens of source code for one of
# sums.

# %%
run(
    f"openr1 -m sweep=data_mix study=data_mixes data=stdlib_sums scale={SCALE} budget.tokens={TOKENS // 2}"
    f" sweep.vertices=false data.eval_tokens=16384 stage.eval_points=1 {MORE}"
)

# %%
mixes = analysis.read_study("data_mixes").frame
analysis.plot(mixes, "data.sources.sums.weight", "eval_loss", **{"data.sources.sums.weight": "Share of sums"})

# %% [markdown]
# ## The answer

# %%
last = students.sort_values("student.tokens").groupby("recipe").last()
right, any_answer = last.loc["distill_trained"], last.loc["distill_unverified"]
most, least = repeated.loc[repeated["epochs"].idxmax()], repeated.loc[repeated["epochs"].idxmin()]
best = mixes.loc[mixes["eval_loss"].idxmin()]
print(
    f"Verified answers teach a loss of {right['eval_loss']:.3f} and a pass rate of {right['pass_at_1']:.1%}, all answers"
    f" {any_answer['eval_loss']:.3f} and {any_answer['pass_at_1']:.1%}."
    f" With the same compute, {short(most['unique_tokens'])} tokens seen {most['epochs']:.0f} times end at a loss of"
    f" {most['eval_loss']:.3f}, and {short(least['unique_tokens'])} tokens at {least['eval_loss']:.3f}."
    f" The best mix has a share of sums of {best['data.sources.sums.weight']:.2f}."
)
