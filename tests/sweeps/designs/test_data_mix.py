"""Mixes on the simplex: which they are, that their losses compare, and what they say."""

import numpy as np
import pytest
from helpers.cli import command
from helpers.configs import composed

from openr1.sweeps.designs.base import Finished
from openr1.sweeps.designs.data_mix import DataMix, DataMixSweep, dirichlet, lattice
from openr1.sweeps.designs.mixture_surface import describe_mixes, fit_surface
from openr1.system.errors import ConfigError

DATA = ("data=stdlib_sums",)


def design(*given, **options):
    return DataMix(DataMixSweep(name="mix", **options), lambda overrides: composed(*DATA, *given, *overrides))


def mixes(some):
    """The weights that the runs of a design have."""
    configs = [some.compose(overrides) for overrides in some.next([])]
    return [tuple(source.weight for source in config.data.sources.values()) for config in configs]


def test_a_lattice_has_every_mix_in_steps():
    assert lattice(2, 2) == [(1, 0), (0.5, 0.5), (0, 1)]
    points = lattice(4, 3)
    assert len(points) == len(set(points)) == 20  # (4 + 3 - 1) over 3
    assert all(sum(point) == pytest.approx(1) for point in points)


def test_draws_are_about_the_own_mix_and_of_their_seed():
    draws = np.array(dirichlet((0.9, 0.1), 2000, 1.0, 0))
    assert np.allclose(draws.mean(axis=0), (0.9, 0.1), atol=0.02)
    assert dirichlet((0.9, 0.1), 3, 1.0, 0) == dirichlet((0.9, 0.1), 3, 1.0, 0) != dirichlet((0.9, 0.1), 3, 1.0, 1)
    spread = np.array(dirichlet((0.9, 0.1), 2000, 10.0, 0)).std(axis=0)
    assert (spread < draws.std(axis=0)).all()


@pytest.mark.slow
def test_the_own_mix_is_first_and_vertices_can_be_left_out():
    assert mixes(design(levels=2)) == [(0.9, 0.1), (1, 0), (0.5, 0.5), (0, 1)]
    assert mixes(design(levels=2, vertices=False)) == [(0.9, 0.1), (0.5, 0.5)]
    drawn = mixes(design(points="dirichlet", n=3, alpha=5))
    assert len(drawn) == 6
    assert drawn[0] == (0.9, 0.1)
    assert drawn[-2:] == [(1, 0), (0, 1)]


@pytest.mark.slow
def test_all_mixes_have_the_reference_of_the_own_mix_or_of_the_config():
    for given, reference in (((), {"stdlib": 0.9, "sums": 0.1}), (("data.reference={sums:1}",), {"sums": 1})):
        some = design(*given, levels=2)
        assert [some.compose(overrides).data.reference for overrides in some.next([])] == [reference] * 4


def test_other_sources_keep_their_weights():
    some = DataMix(DataMixSweep(name="mix", sources=["sums", "linear"], levels=1), lambda own: composed("data=tasks", *own))
    for overrides in some.next([]):
        sources = some.compose(overrides).data.sources
        assert sources["sums"].weight + sources["linear"].weight == pytest.approx(2)
        assert sources["strings"].weight == 1


def test_one_round_and_a_report_of_its_runs():
    some = design(levels=4)
    runs = some.next([])
    losses = [3 + share * (share - 1) for share in (0.1, 0, 0.25, 0.5, 0.75, 1)]
    metrics = [*({"eval_loss": loss} for loss in losses[:-1]), {}]
    finished = [Finished(one, some.compose(one), figures) for one, figures in zip(runs, metrics, strict=True)]
    assert some.next(finished) == []
    lines = some.report(finished)
    assert lines[1].split() == ["2.7500", "0.5", "0.5"]
    assert len(lines) == 7
    assert lines[-1].startswith("quadratic surface: lowest at stdlib 0.50, sums 0.50: 2.7500 ± 0.0000")


def test_a_surface_is_recovered_with_its_optimum_and_its_error_is_that_of_leaving_one_out():
    x = np.array(lattice(3, 4))
    y = 2 + ((x - (0.2, 0.3, 0.5)) ** 2).sum(axis=1)
    exact = fit_surface(x, y)
    assert exact.best(np.array([0.0, 0.5, 0.0]))[0][1] == pytest.approx(0.5, abs=0.01)
    best, value = exact.best(np.full(3, 0.1))
    assert np.allclose(best, (0.2, 0.3, 0.5), atol=0.02)
    assert value == pytest.approx(2, abs=1e-3)
    assert exact.error < 1e-9
    noisy = y + np.random.default_rng(0).normal(0, 0.01, len(y))
    left_out = [noisy[i] - fit_surface(np.delete(x, i, 0), np.delete(noisy, i))(x[[i]])[0] for i in range(len(y))]
    assert fit_surface(x, noisy).error == pytest.approx(np.sqrt(np.mean(np.square(left_out))))


def test_too_few_mixes_have_no_surface():
    assert fit_surface(np.array(lattice(2, 2)), np.ones(3)) is None
    assert describe_mixes(["a", "b"], lattice(2, 2), [3.0, 2.0, 1.0])[-1].startswith("too few mixes")


def test_a_mix_without_a_source_is_not_of_the_surface():
    x = np.array([(share, 1 - share) for share in (0, 0.2, 0.4, 0.6, 0.8)])
    losses = 2 + (x[:, 0] - 0.5) ** 2
    losses[0] = 13
    line = describe_mixes(["a", "b"], x.tolist(), losses.tolist())[-1]
    assert line.startswith("quadratic surface: lowest at a 0.50, b 0.50: 2.0000 ± 0.0000")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"points": "grid"}, "sweep.points: 'grid' is not one of lattice, dirichlet"),
        ({"levels": 0}, "sweep.levels: must be at least 1"),
        ({"alpha": -1}, "sweep.alpha: must be above 0"),
        ({"sources": ["stdlib", "web"]}, "sweep.sources: 'web' is not one of data.sources, which are stdlib, sums"),
        ({"sources": ["sums"]}, "sweep.sources: a mix needs two or more"),
    ],
)
def test_a_wrong_option_is_one_line(options, line):
    with pytest.raises(ConfigError) as caught:
        design(**options).next([])
    assert str(caught.value).startswith(line)


def test_a_recipe_is_refused():
    with pytest.raises(ConfigError, match="sweep: data_mix has runs of one stage"):
        DataMix(DataMixSweep(name="mix"), lambda own: composed("data=tasks", "recipe=r1_zero", *own)).next([])


@pytest.mark.integration
def test_the_whole_command_ranks_mixes_by_one_held_out_set(tiny, tmp_path):
    words = [word for word in tiny if "files" not in word and not word.startswith("data.context")]
    words += [f"data.sources.{name}.problems=100" for name in composed("data=tasks").data.sources]
    words += ["data=tasks", "stage=sft", "optim.batch_tokens=160"]
    words += ["hydra/launcher=basic", "study=mix", "sweep.sources=[sums,linear]"]
    done = command("openr1", "-m", "sweep=data_mix", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "outputs/cache/data").glob("*/corpus.json"))) == 1
    assert "quadratic surface" in done.stderr
    again = command("openr1", "-m", "sweep=data_mix", *words, cwd=tmp_path)
    assert "5 runs, 5 done" in again.stderr
