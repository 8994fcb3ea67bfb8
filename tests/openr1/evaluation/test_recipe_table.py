from openr1.evaluation.recipe_table import FinishedStage, markdown, recipe_rows

SCORES = {"pass_at_1": 0.5, "pass_at_1_low": 0.4, "pass_at_1_high": 0.6, "format_rate": 1.0, "reasoned_rate": 0.25}
SCORES["readability"] = 0.75


def trained(name, flops):
    return FinishedStage(name, "sft", "model", f"sft-of-{name}", None, {"flops": flops})


def evaluated(checkpoint, metrics):
    return FinishedStage("eval", "evaluate", "scores", "", checkpoint, metrics)


def test_a_row_for_each_evaluation_of_what_the_recipe_made():
    base, more = trained("base", 1e10), trained("more", 2e10)
    other = evaluated("sft-fedcba9876543210", SCORES)
    last = evaluated(more.artifact, {"unjudged": 3, "reasoned_rate": 1.0})
    rows = recipe_rows([base, evaluated(base.artifact, SCORES), other, more, last])
    assert rows == [
        ("base", "sft", "0.500", "0.400 to 0.600", "1.000", "0.250", "0.750", "", "1e+10"),
        ("more", "sft", "", "", "", "1.000", "", "", "3e+10"),
    ]
    assert markdown(rows).splitlines()[2] == "| base | sft | 0.500 | 0.400 to 0.600 | 1.000 | 0.250 | 0.750 |  | 1e+10 |"


def test_without_a_recipe_there_is_no_table():
    assert recipe_rows([trained("", 1.0)]) == []
