from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from openr1.analysis.laws import LAWS
from openr1.analysis.sources import frame
from openr1.analysis.sources.frame import Columns, FileRuns, MlflowRuns, group_budgets, tidy
from openr1.system.errors import ConfigError
from openr1.tracking.mlflow import TrackedRun


def test_runs_of_one_budget_differ_by_up_to_a_training_step(runs):
    assert runs().groupby("budget").size().tolist() == [5] * 5


def test_a_budget_is_the_geometric_mean_of_its_runs():
    assert np.allclose(group_budgets(np.array([1.0e12, 3.0e12, 1.04e12])), [np.sqrt(1.04) * 1e12, 3e12, np.sqrt(1.04) * 1e12])


def test_a_chain_of_close_runs_is_not_one_budget():
    flops = np.geomspace(1e12, 1e13, 200)
    labels = group_budgets(flops)
    widths = [flops[labels == label].max() / flops[labels == label].min() for label in np.unique(labels)]
    assert max(widths) <= 1.05 + 1e-9
    assert len(widths) >= 40


def test_runs_that_miss_a_value_are_listed_with_the_reason_and_nothing_is_filled_in():
    table = pd.DataFrame(
        {
            "N": [1e5, 1e5, 2e5, 2e5, 3e5, 4e5, 1e5],
            "D": [1e6, np.nan, 1e6, 2e6, 0, 3e6, 1e6],
            "C": [6e11, 6e11, 12e11, 24e11, 1e12, 7e12, 6e11],
            "loss": [3.0, 3.0, "diverged", np.inf, 3.0, 2.5, 3.0],
        }
    )
    runs = tidy(table)
    assert runs.warnings == ["loss: 1 row is left out, since 'diverged' (row 2) is not a number"]
    assert runs.frame["N"].tolist() == [1e5, 4e5]
    assert runs.frame.dtypes[["N", "D", "C", "loss"]].eq(float).all()
    assert runs.dropped["reason"].tolist() == [
        "D is missing or not a number",
        "loss is not a number: 'diverged'",
        "loss is not positive and finite",
        "D is not positive and finite",
        "repeats an earlier row",
    ]


def test_the_same_fingerprint_is_the_same_run(table):
    runs = tidy(table().assign(fingerprint=["a", "a", *map(str, range(23))], run_id=range(25)))
    assert len(runs.frame) == 24
    assert len(runs.dropped) == 1


def test_other_columns_are_kept(table):
    assert tidy(table().assign(seed=3, optimizer="adamw")).frame["optimizer"].eq("adamw").all()


def test_flops_are_6nd_only_when_asked(table):
    bare = table().drop(columns="C")
    assert not {"C", "budget"} & set(tidy(bare).frame)
    asked = tidy(bare, flops_6nd=True).frame
    assert np.allclose(asked["C"], 6 * asked["N"] * asked["D"])


def test_where_keeps_rows_by_value(table):
    mixed = table().assign(family=["qwen2", "llama", "gemma3", "qwen2", "llama"] * 5)
    assert len(tidy(mixed, where={"family": "llama"}).frame) == 10
    assert len(tidy(mixed, where={"family": ["llama", "qwen2"]}).frame) == 20


def test_a_column_with_the_name_of_a_quantity_needs_no_mapping():
    table = pd.DataFrame({"C": [1.0, 2.0], "pass_at_1": [0.0, 0.5], "score": [1, 2]})
    result = tidy(table, needs=("C", "pass_at_1")).frame
    assert result["pass_at_1"].tolist() == [0.0, 0.5]
    renamed = tidy(table.rename(columns={"pass_at_1": "accuracy"}), Columns(pass_at_1="accuracy"), needs=("pass_at_1",)).frame
    assert renamed["pass_at_1"].tolist() == [0.0, 0.5]


def test_only_what_is_needed_decides_which_rows_are_used():
    table = pd.DataFrame(
        {"C": [1e12, 2e12, 3e12, 4e12], "pass_at_1": [0.1, np.nan, 1.2, -0.1], "loss": [np.nan, 2.0, 2.0, 2.0]}
    )
    runs = tidy(table, needs=("C", "pass_at_1"))
    assert runs.frame["pass_at_1"].tolist() == [0.1]
    assert runs.dropped["reason"].tolist() == [
        "pass_at_1 is missing or not a number",
        "pass_at_1 is above 1",
        "pass_at_1 is negative or infinite",
    ]
    assert len(tidy(table, needs=("C", "loss")).frame) == 3


def test_points_of_one_run_are_not_the_same_run():
    table = pd.DataFrame(
        {"run": ["a", "a", "a", None], "run_id": "x", "C": [1e12, 2e12, 2e12, 3e12], "loss": [3.0, 2.0, 2.0, 1.0]}
    )
    runs = tidy(table, needs=("C", "loss"))
    assert runs.frame["C"].tolist() == [1e12, 2e12, 3e12]
    assert runs.dropped["reason"].tolist() == ["repeats an earlier row"]


def test_problems_with_the_same_counts_are_not_the_same_problem():
    assert len(tidy(pd.DataFrame({"samples": [8, 8, 8], "correct": [0, 0, 8]}), needs=("samples", "correct")).frame) == 3


def test_rows_with_other_flops_than_the_rest_are_named(table):
    mixed = table()
    mixed.loc[[3, 7], "D"] /= 30
    (warning,) = tidy(mixed).warnings
    assert warning.startswith(
        "C differs from 6ND by more than a factor of ten in 2 of 25 rows, as if in another unit: row 3 (60 times), row 7"
    )
    assert tidy(table()).warnings == []
    # compute of another kind, such as that of RL, is nobody's 6ND
    assert tidy(mixed.assign(C=1.0, pass_at_1=0.5), needs=("C", "N", "pass_at_1")).warnings == []


ALL_LAWS = [law() for law in LAWS.values()]
OF_LOSS = [law for law in ALL_LAWS if {"loss", "teacher_loss"} & set(law.needs)]
WHAT_LAWS_NEED = {"teacher_loss": 2.0, "supervised_loss": 3.0, "lr": 1e-3, "error": 0.5, "run": "a", "U": 1e9}


@pytest.mark.parametrize("law", OF_LOSS, ids=lambda law: law.name)
@pytest.mark.parametrize(
    "units",
    [
        {"N": 1e-6, "D": 1e-9},
        {"N": 1e-6},
        {"D": 1e-9},
        {"N": 1e-3},
        {"C": 1e-18},
        {"C": 1 / 8.64e19},
        {"N": 1e-9, "D": 1e-12, "C": 1e-15},
    ],
)
def test_other_units_are_refused_whatever_the_law(table, law, units):
    rows = table().assign(**WHAT_LAWS_NEED, fingerprint=range(25))
    tidy(rows, needs=law.needs)
    for key, factor in units.items():
        rows[key] *= factor
    with pytest.raises(
        ConfigError, match=r"^columns: C is .* times 6ND, .*; give N in parameters, D in tokens and C in FLOPs$"
    ):
        tidy(rows, needs=law.needs)


def test_what_is_counted_beside_6nd_is_no_other_unit(table):
    for factor in (0.3, 1.7, 3.0):
        assert tidy(table().assign(C=factor * table()["C"])).warnings == []
    # N of experts that are idle, or without a vocabulary; C with a teacher
    for factor in (1 / 40, 40):
        assert tidy(table().assign(C=factor * table()["C"]), needs=("N", "D", "loss")).warnings == []
    # counted by openr1 itself, for models of any size
    assert tidy(table().assign(C=1e4 * table()["C"]), units_known=True).warnings == []


def test_there_is_nothing_to_compare_without_c_or_d(table):
    for missing in ("C", "D"):
        assert tidy(table().drop(columns=missing), needs=("N", "loss")).warnings == []
    empty = tidy(table().assign(C=np.nan), needs=("N", "D", "loss")).warnings
    assert empty == ["the column 'C' has no usable FLOPs, and is left out"]
    some = table().assign(D=table()["D"] / 1e3, C=[np.nan, 0.0, *table()["C"][2:]])
    with pytest.raises(ConfigError, match="times 6ND"):
        tidy(some, needs=("N", "D", "loss"))


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        ({}, {"columns": Columns(N="params")}, "^columns.N: there is no column 'params'; there are N, D, C, loss"),
        (
            {"stage": ["sft", "pretrain", "sft", "sft", "sft"] * 5},
            {},
            "^where.stage: the runs are of several stages .pretrain, sft",
        ),
        ({}, {"where": {"family": "qwen2"}}, "^where.family: there is no such column"),
        ({"family": "llama"}, {"where": {"family": "qwen2"}}, "^where.family: no row has qwen2; the column has llama$"),
        ({"loss": np.nan}, {}, "runs: none of 25 rows can be used: loss is missing"),
        ({"C": 1.0}, {}, "^columns: C is .* times 6ND"),
    ],
)
def test_errors_name_the_key(table, change, arguments, message):
    with pytest.raises(ConfigError, match=message):
        tidy(table().assign(**change), **arguments)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_files_round_trip(table, tmp_path, kind):
    before = tidy(table()).frame
    path = str(tmp_path / "points")
    before.to_csv(path, index=False) if kind == "csv" else before.to_parquet(path)
    pd.testing.assert_frame_equal(frame.read(FileRuns(path=path, format=kind)).frame, before)
    with pytest.raises(ConfigError, match=r"runs.path: there is no file"):
        frame.read(FileRuns(path=str(tmp_path / "other")))


@pytest.mark.parametrize(("format_", "kind"), [("csv", "CSV"), ("parquet", "Parquet")])
def test_other_files_are_refused(tmp_path, format_, kind):
    (tmp_path / "points").write_bytes(b"\xff\xfe\x00 not a table")
    with pytest.raises(ConfigError, match=f"is not a {kind} file"):
        frame.read(FileRuns(path=str(tmp_path / "points"), format=format_))


def tracked(index, row):
    metrics = {"params_non_embedding": row["N"], "tokens": row["D"], "flops": row["C"], "eval_loss": row["loss"]}
    tags = {"study": "demo", "stage": "pretrain", "scale": f"{row['N']:.0f}", "mlflow.user": "someone"}
    return TrackedRun(
        f"id{index}",
        f"trial {index}",
        "FINISHED",
        datetime.now(UTC),
        datetime.now(UTC),
        tags,
        {"optim.lr": "0.01"},
        metrics,
        f"http://host/{index}",
    )


MLFLOW = Columns(N="params_non_embedding", D="tokens", C="flops", loss="eval_loss")


def test_runs_come_from_mlflow_with_params_and_tags(monkeypatch, table):
    rows = table().to_dict("records")
    monkeypatch.setattr("openr1.tracking.mlflow.read_runs", lambda uri, study: [tracked(i, row) for i, row in enumerate(rows)])
    result = frame.read(MlflowRuns(uri="sqlite:///x", study="demo", columns=MLFLOW)).frame
    assert np.allclose(result[["N", "D", "C", "loss"]], table().sort_values("C"))
    assert {"run_id", "url", "scale", "optim.lr", "start_time"} <= set(result)
    assert "mlflow.user" not in result


def test_a_study_without_runs_says_so(monkeypatch):
    monkeypatch.setattr("openr1.tracking.mlflow.read_runs", lambda uri, study: [])
    monkeypatch.setattr("openr1.tracking.reading.study_names", lambda uri: [])
    with pytest.raises(ConfigError, match=r"runs.study: there are no finished runs of study 'nothing'"):
        frame.read(MlflowRuns(uri="sqlite:///x", study="nothing", columns=MLFLOW))


def test_a_store_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"^runs.uri: .*none.db"):
        frame.read(MlflowRuns(uri=f"sqlite:///{tmp_path}/none.db", study="demo", columns=MLFLOW))
    assert not list(tmp_path.iterdir())


def points(**more):
    """Return two runs of three points each, as a file has them."""
    rows = {"run_id": ["a"] * 3 + ["b"] * 3, "N": [2e7] * 3 + [3e8] * 3, "D": [1e9, 2e9, 4e9] * 2}
    return pd.DataFrame({**rows, "loss": [3.6, 3.4, 3.3, 3.1, 3.0, 2.9], **more})


def test_the_points_of_a_run_id_stay_together():
    runs = tidy(points())
    assert len(runs.frame) == 6
    assert runs.frame["run"].tolist() == ["a"] * 3 + ["b"] * 3
    assert runs.dropped.empty
    assert runs.warnings == ["rows with the same run_id are points of one run, which resamples keep together"]
    repeated = tidy(pd.concat([points(), points().iloc[:2]]))
    assert (len(repeated.frame), len(repeated.dropped)) == (6, 2)


def test_a_run_id_that_only_repeats_a_row_is_one_run():
    runs = tidy(pd.concat([points().iloc[[0, 3]]] * 2))
    assert len(runs.frame) == 2
    assert "run" not in runs.frame


def test_a_repeated_fingerprint_is_one_run_with_its_points():
    runs = tidy(points(fingerprint="f"))
    assert runs.frame["run"].tolist() == ["a"] * 3
    assert tidy(points(fingerprint=["f"] * 3 + ["g"] * 3)).dropped.empty


@pytest.mark.parametrize("name", ["seed", "run_id", "name"])
def test_runs_of_equal_rounded_losses_that_differ_in_their_seed_are_two(table, name):
    twice = pd.concat([table().round(1)] * 2, ignore_index=True)
    runs = tidy(twice.assign(**{name: [f"{name} {place}" for place in range(50)]}))
    assert len(runs.frame) == 50
    assert len(tidy(twice).frame) == 25


def test_one_fingerprint_of_two_seeds_is_two_runs(table):
    twice = pd.concat([table()] * 2, ignore_index=True).assign(fingerprint=[*map(str, range(25))] * 2)
    assert len(tidy(twice.assign(seed=[0] * 25 + [1] * 25)).frame) == 50
    assert len(tidy(twice).frame) == 25


def test_a_weight_counts_only_if_it_is_named(table):
    weighted = table().assign(weight=range(1, 26))
    runs = tidy(weighted)
    assert "weight" not in runs.frame
    assert runs.frame["weight_unused"].tolist() == [*range(1, 26)]
    assert runs.warnings == [
        "the column 'weight' is not used, and is called weight_unused; columns.weight='weight' weights the rows by it"
    ]
    named = tidy(weighted, Columns(weight="weight"))
    assert named.frame["weight"].tolist() == [*range(1, 26)]
    assert named.warnings == ["rows are weighted by the column 'weight'"]


def test_a_table_keeps_its_own_budget_under_another_name(table):
    runs = tidy(table().assign(budget="large"))
    assert runs.frame["budget_unused"].eq("large").all()
    assert runs.frame["budget"].nunique() == 5
    assert runs.warnings == ["the column 'budget' is called budget_unused, since budget is the compute that runs share"]
    # the points of a report have the budget of the frame itself
    assert "budget_unused" not in tidy(tidy(table()).frame).frame


def test_a_column_named_as_a_quantity_that_another_holds_is_said(table):
    runs = tidy(table().assign(params=table()["N"], N=7), Columns(N="params"))
    assert runs.warnings == ["the column 'N' is left out, since N is taken from 'params'"]


def test_repeated_names_of_columns_are_refused_or_said(table):
    twice = pd.concat([table(), table()[["loss"]] / 2, table()[["loss"]].set_axis(["x"], axis=1)], axis=1)
    with pytest.raises(ConfigError, match=r"^columns\.loss: several columns are named 'loss'; rename all but one"):
        tidy(twice)
    other = pd.concat([table().assign(x=1), table()[["loss"]].set_axis(["x"], axis=1)], axis=1)
    runs = tidy(other)
    assert runs.frame["x"].eq(1).all()
    assert runs.warnings == ["several columns are named x; only the first of a name is kept"]
    with pytest.raises(ConfigError, match=r"^where\.x: several columns are named 'x'"):
        tidy(other, where={"x": 1})


@pytest.mark.parametrize(
    ("name", "refused"), [("loss", r"^runs\.columns\.loss: several columns are named 'loss'"), ("x", None)]
)
def test_repeated_names_in_a_file_are_not_renamed_in_silence(table, tmp_path, name, refused):
    path = tmp_path / "points.csv"
    path.write_text(table().assign(one=1, two=2).to_csv(index=False).replace("one,two", f"{name},{name}"))
    if refused:
        with pytest.raises(ConfigError, match=refused):
            frame.read(FileRuns(path=str(path)))
    else:
        assert frame.read(FileRuns(path=str(path))).warnings == [
            "several columns are named x; only the first of a name is kept"
        ]


LIKE = {"N": "params (B)", "D": "n_tokens", "loss": "eval/val_loss"}


@pytest.mark.parametrize("key", LIKE)
def test_a_column_that_looks_like_what_is_missing_is_suggested_and_not_taken(table, tmp_path, key):
    path = tmp_path / "points.csv"
    table().rename(columns={key: LIKE[key]}).to_csv(path, index=False)
    with pytest.raises(ConfigError) as error:
        frame.read(FileRuns(path=str(path)), ("N", "D", "loss"))
    assert str(error.value) == f"runs.columns.{key}: name the column of {key}; {LIKE[key]} looks like it"


def test_rows_before_training_are_kept_where_a_law_takes_them():
    curve = pd.DataFrame({"C": [0.0, 1.0, 2.0], "D": [0.0, 5.0, 9.0], "pass_at_1": [0.1, 0.2, 0.3]})
    needs = ("C", "pass_at_1")
    assert len(tidy(curve, needs=needs).frame) == 2
    kept = tidy(curve, needs=needs, zero_compute=True).frame
    assert kept["budget"].tolist() == [0.0, pytest.approx(1.0), pytest.approx(2.0)]
    assert tidy(curve.assign(C=[-1.0, 1.0, 2.0]), needs=needs, zero_compute=True).dropped["reason"].tolist() == [
        "C is negative or infinite"
    ]


def test_rows_with_lists_are_compared_by_their_text(table):
    rows = table()
    rows["tags"] = [["a", index] for index in range(len(rows))]
    assert len(tidy(rows).frame) == len(rows)
    twice = tidy(pd.concat([rows, rows.iloc[:2]], ignore_index=True))
    assert list(twice.dropped["reason"]) == ["repeats an earlier row"] * 2
