from types import SimpleNamespace

from helpers.configs import composed

from openr1.artifacts import Artifact
from openr1.evaluation.recipe_table import markdown, recipe_rows

SUMS = ["data=sums", "scale=30k"]
SCORES = {"pass_at_1": 0.5, "pass_at_1_low": 0.4, "pass_at_1_high": 0.6, "format_rate": 1.0, "reasoned_rate": 0.25}


def result(kind, metrics, *overrides):
    config = composed(*SUMS, f"stage={kind}", *overrides)
    return SimpleNamespace(config=config, metrics=metrics, artifact=Artifact(kind, f"{len(metrics):016x}", {}, metrics))


def test_a_row_for_each_exam_of_what_the_recipe_made():
    base = result("sft", {"flops": 1e10})
    evaluation = result("evaluate", SCORES, f"model.checkpoint={base.artifact.name}")
    elsewhere = result("evaluate", SCORES, "model.checkpoint=sft-fedcba9876543210")
    more = result("sft", {"flops": 2e10, "eval_loss": 1.0})
    last = result("evaluate", {"unjudged": 3, "reasoned_rate": 1.0}, f"model.checkpoint={more.artifact.name}")
    rows = recipe_rows({"base": base, "eval": evaluation, "other": elsewhere, "more": more, "last": last})
    assert rows == [
        ("base", "sft", "0.500", "0.400 to 0.600", "1.000", "0.250", "", "1e+10"),
        ("more", "sft", "", "", "", "1.000", "", "3e+10"),
    ]
    assert markdown(rows).splitlines()[2] == "| base | sft | 0.500 | 0.400 to 0.600 | 1.000 | 0.250 |  | 1e+10 |"


def test_without_a_recipe_there_is_no_table():
    assert recipe_rows({"": result("sft", {"flops": 1.0})}) == []
