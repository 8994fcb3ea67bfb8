from openr1.evaluation.recipe_table import FinishedStage, recipe_table

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
    table = recipe_table([base, evaluated(base.artifact, SCORES), other, more, last])
    assert table.heads[2:] == ("pass@1", "95 % interval", "format", "reasoned", "readable", "tokens", "FLOPs so far")
    assert table.rows == [
        ("base", "sft", "0.500", "0.400 to 0.600", "1.000", "0.250", "0.750", "", "1e+10"),
        ("more", "sft", "", "", "", "1.000", "", "", "3e+10"),
    ]
    assert table.markdown().splitlines()[2] == "| base | sft | 0.500 | 0.400 to 0.600 | 1.000 | 0.250 | 0.750 |  | 1e+10 |"


def test_several_tasks_have_a_column_each():
    base = trained("base", 1e10)
    table = recipe_table(
        [base, evaluated(base.artifact, SCORES | {"pass_at_1_sums": 0.25, "pass_at_1_code": 0.75, "gold": 2.0})]
    )
    assert table.heads[3:7] == ("95 % interval", "sums", "code", "format")
    assert table.rows[0][3:6] == ("0.400 to 0.600", "0.250", "0.750")
    assert dict(zip(table.heads, table.rows[0], strict=True))["gold"] == "2.000"


def test_without_a_recipe_there_is_no_table():
    assert recipe_table([trained("", 1.0)]).rows == []
