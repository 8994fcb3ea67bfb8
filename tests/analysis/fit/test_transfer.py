"""Transfer of learning rates over sizes: regrets of made-up studies whose best learning rates are known."""

import numpy as np
import pandas as pd
import pytest

from openr1.analysis.charts import chart_study
from openr1.analysis.charts.groups import chart_groups
from openr1.analysis.charts.matplotlib import draw, to_bytes
from openr1.analysis.config import compose
from openr1.analysis.fit.resampling import Bootstrap
from openr1.analysis.fit.transfer import transfer_of
from openr1.analysis.laws.hyperparameter import Hyperparameter
from openr1.analysis.report import terminal
from openr1.analysis.report.group_tables import transfer
from openr1.analysis.report.html import render
from openr1.analysis.sources.frame import tidy
from openr1.analysis.study import analyse, analyse_groups
from openr1.system.errors import ConfigError

SIZES = (5e4, 2e5, 1e6)
CURVATURE = 0.05  # loss per squared logarithm
FAST = Bootstrap(resamples=50)


RATES = tuple(np.geomspace(1e-3, 3.2e-2, 6))


def grid(exponent, rates=RATES, sizes=SIZES, seeds=2, noise=1e-4, name="loss"):
    """Return runs whose best learning rate is 0.006 (N / 5e4)^exponent."""
    rng, rows = np.random.default_rng(0), []
    for n in sizes:
        best = 0.006 * (n / 5e4) ** exponent
        for lr in rates:
            for seed in range(seeds):
                loss = 3 + CURVATURE * np.log(lr / best) ** 2 + rng.normal(0, noise)
                rows.append({"N": n, "D": 1e6, "C": 6e6 * n, "lr": lr, "seed": seed, name: loss})
    return pd.DataFrame(rows)


def regret(frame, bootstrap=FAST):
    return transfer_of(tidy(frame, needs=Hyperparameter().needs).frame, Hyperparameter(), bootstrap)


def test_a_learning_rate_that_is_the_same_for_all_sizes_loses_nothing():
    known = regret(grid(0.0))
    assert known.small[0] == pytest.approx(0.006, rel=0.01)
    assert known.regret[0] < 1e-4
    assert known.regret[1] <= known.regret[0] + 1e-6
    assert known.regret[2] < 1e-3
    assert not known.at_least


def test_the_regret_is_the_loss_at_the_learning_rate_of_the_smallest_size():
    known = regret(grid(-0.3))
    truth = CURVATURE * (0.3 * np.log(SIZES[-1] / SIZES[0])) ** 2
    assert known.large[0] == pytest.approx(0.006 * 20**-0.3, rel=0.02)
    assert known.regret[0] == pytest.approx(truth, abs=2e-3)
    assert known.regret[1] < truth < known.regret[2] + 1e-3
    assert (known.small_n, known.large_n) == (SIZES[0], SIZES[-1])


def test_beyond_the_grid_of_the_largest_size_the_regret_is_at_least_that_at_its_end():
    small, large = grid(-0.6, sizes=SIZES[:1]), grid(-0.6, sizes=SIZES[1:], rates=np.geomspace(2e-4, 4e-3, 6))
    known = regret(pd.concat([small, large], ignore_index=True))
    assert known.at_least
    assert known.regret[0] == pytest.approx(CURVATURE * np.log(4e-3 / (0.006 * 20**-0.6)) ** 2, abs=2e-3)


@pytest.mark.parametrize(
    ("frame", "line"),
    [
        (grid(0.0, sizes=SIZES[:1]), "the runs are of one model size"),
        (grid(-0.9), "the best learning rate is at the edge of the grid for 1e+06 parameters"),
    ],
)
def test_what_is_not_known_is_said(frame, line):
    with pytest.raises(ConfigError) as refused:
        regret(frame)
    assert str(refused.value) == line


def test_without_resamples_there_are_no_intervals():
    assert np.isnan(regret(grid(0.0), Bootstrap(resamples=0)).regret[1:]).all()


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Return a grouped study: one group transfers, one does not, and of one it is not known."""
    folder = tmp_path_factory.mktemp("transfer")
    groups = {"adamw completep": grid(0.0), "adamw standard": grid(-0.3), "muon standard": grid(-0.9)}
    pd.concat([rows.assign(optimiser=name) for name, rows in groups.items()]).to_csv(folder / "points.csv", index=False)
    words = ["law=hyperparameter", "by=optimiser", "runs=csv", f"runs.path={folder}/points.csv", "bootstrap.resamples=50"]
    return analyse_groups(compose([*words, f"out={folder}/out"]))


def test_the_report_of_groups_compares_regrets(study, capsys):
    assert list(study.transfers) == ["adamw completep", "adamw standard"]
    table = transfer(study)
    assert [row[0].text for row in table.rows] == list(study.parts)
    assert float(table.rows[0][4].text) < 0.001 < float(table.rows[1][4].text)
    assert table.rows[2][4].quiet == "the best learning rate is at the edge of the grid for 1e+06 parameters"
    charts = chart_groups(study)
    assert [panel.title for panel in charts["transfer"].panels] == ["Best learning rate", "Regret at the largest size"]
    assert to_bytes(draw(charts["transfer"]), "svg")
    page = render(study, charts)
    assert "Transfer of the learning rate over sizes" in page
    terminal.show(study)
    text = " ".join(capsys.readouterr().out.split())
    assert "adamw standard: The best learning rate of 50k parameters" in text
    assert "muon standard: How well the learning rate transfers over sizes is unknown: the best learning rate is at" in text


def test_the_error_can_take_the_place_of_the_loss(tmp_path):
    grid(0.0, name="pass_at_1").assign(pass_at_1=lambda rows: 3.5 - rows["pass_at_1"]).to_csv(tmp_path / "p.csv", index=False)
    words = ["law=hyperparameter", "law.objective=error", "runs=csv", f"runs.path={tmp_path}/p.csv", "bootstrap.resamples=20"]
    study = analyse(compose([*words, f"out={tmp_path}/out"]))
    assert study.main.params["lr_N_exponent"] == pytest.approx(0, abs=0.02)
    assert study.transfer.small[0] == pytest.approx(0.006, rel=0.02)


def test_figures_of_the_error_do_not_draw_a_loss_beside_it(tmp_path):
    """The losses of the runs have no minimum, so that a figure of them would have no cell to draw."""
    frame = grid(0.0, name="pass_at_1").assign(pass_at_1=lambda rows: 3.5 - rows["pass_at_1"], loss=lambda rows: 2 + rows["lr"])
    frame.to_csv(tmp_path / "p.csv", index=False)
    words = ["law=hyperparameter", "law.objective=error", "runs=csv", f"runs.path={tmp_path}/p.csv", "bootstrap.resamples=20"]
    study = analyse(compose([*words, f"out={tmp_path}/out"]))
    best = study.main.law.fitted_rows(study.runs.frame)
    assert list(best["lr"]) == pytest.approx([0.006] * len(best), rel=0.02)
    assert len(best) == len(SIZES)
    charts = chart_study(study)
    assert to_bytes(draw(charts["hyperparameter"]), "svg")
    assert render(study, charts)
