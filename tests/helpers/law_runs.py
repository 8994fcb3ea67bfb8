"""Runs of every law, about as many as a real study of it has."""

from __future__ import annotations

import numpy as np
import pandas as pd

from openr1.analysis.laws import LAWS, Law
from openr1.analysis.sources.frame import tidy
from openr1.training.options import OptimConfig
from openr1.training.schedule import learning_rates, phases_of

NOISE = 0.003


def _with_noise(values: np.ndarray, seed: int = 0, noise: float = NOISE) -> np.ndarray:
    return values * np.exp(np.random.default_rng(seed).normal(0, noise, len(values)))


def _parametric(n: pd.Series, d: pd.Series) -> pd.Series:
    return 1.8 + 480 * n**-0.35 + 2000 * d**-0.37


def isoflop_runs(budgets: int = 8, sizes: int = 8, noise: float = NOISE) -> pd.DataFrame:
    """Return runs of the parametric law: ``budgets`` of 1e18 to 1e21 FLOPs, with sizes around the optimum of each."""
    flops, ratio = (grid.ravel() for grid in np.meshgrid(np.geomspace(1e18, 1e21, budgets), np.geomspace(0.25, 4, sizes)))
    frame = pd.DataFrame({"N": 0.15 * np.sqrt(flops / 6) * ratio, "C": flops}).sort_values(["C", "N"])
    frame["D"] = frame["C"] / (6 * frame["N"])
    frame["loss"] = _with_noise(_parametric(frame["N"], frame["D"]).to_numpy(), noise=noise)
    return tidy(frame).frame


def training_curves(runs: int = 60, rows: int = 200) -> pd.DataFrame:
    """Return training curves of the parametric law as a file has them: ``run``, N, D, C, loss."""
    size = np.repeat(np.geomspace(5e7, 5e9, runs), rows)
    tokens = 20 * size * np.tile(np.geomspace(0.02, 2, rows), runs)
    frame = pd.DataFrame({"run": np.repeat(np.arange(runs), rows), "N": size, "D": tokens, "C": 6 * size * tokens})
    return frame.assign(loss=_with_noise(_parametric(frame["N"], frame["D"]).to_numpy()))


def _from_law(law: Law, params: list[float], frame: pd.DataFrame, column: str, noise: float = NOISE) -> pd.DataFrame:
    """Return the frame with responses of the law itself."""
    return frame.assign(**{column: _with_noise(law.predict(np.array([params]), frame)[0], noise=noise)})


def _grid(**axes: np.ndarray) -> pd.DataFrame:
    columns = np.meshgrid(*axes.values(), indexing="ij")
    return pd.DataFrame({name: values.ravel() for name, values in zip(axes, columns, strict=True)})


def _power_law() -> tuple[pd.DataFrame, Law]:
    return isoflop_runs(), LAWS["power_law"]()


def _isoflop(curve: str) -> tuple[pd.DataFrame, Law]:
    return isoflop_runs(12, 8), LAWS["isoflop"](curve=curve)


def _data_constrained() -> tuple[pd.DataFrame, Law]:
    law = LAWS["data_constrained"]()
    frame = _grid(N=np.geomspace(5e7, 5e9, 6), U=np.geomspace(1e8, 1e10, 5), epochs=np.array([1.0, 2, 4, 8, 20, 60]))
    frame["D"] = frame["U"] * frame["epochs"]
    truth = {"R_D": 15.0, "R_N": 5.0, "E": 1.8, "A": 480.0, "alpha": 0.35, "B": 2000.0, "beta": 0.37}
    return _from_law(law, [truth[p.name] for p in law.parameters], frame, "loss"), law


def _overtraining() -> tuple[pd.DataFrame, Law]:
    law = LAWS["overtraining"]()
    frame = _grid(N=np.geomspace(1e7, 4e8, 6), M=np.array([5.0, 20, 80, 320]))
    frame["D"] = frame["N"] * frame["M"]
    frame["C"] = 6 * frame["N"] * frame["D"]
    return tidy(_from_law(law, [1.8, 200.0, 360.0, 0.135], frame, "loss")).frame, law


def _task_error() -> tuple[pd.DataFrame, Law]:
    law = LAWS["task_error"]()
    truth = {"k": 2.1, "gamma": 0.75, "epsilon": 0.85}
    frame = pd.DataFrame({"loss": np.linspace(2.2, 4.5, 24)})
    return _from_law(law, [truth[p.name] for p in law.parameters], frame, "error"), law


def _rl_sigmoid() -> tuple[pd.DataFrame, Law]:
    law = LAWS["rl_sigmoid"]()
    return _from_law(law, [0.4, 0.65, 10.0, 1.7], pd.DataFrame({"C": np.geomspace(1, 100, 60)}), "pass_at_1"), law


def _rl_power() -> tuple[pd.DataFrame, Law]:
    law = LAWS["rl_power"]()
    frame = _grid(N=np.geomspace(5e8, 7e10, 6), C=np.geomspace(1e17, 1e20, 15))
    failure = law.predict(np.array([[0.08, 5e9, 2.12, 0.024]]), frame)[0]
    return frame.assign(pass_at_1=1 - _with_noise(failure)), law


def _pass_at_k() -> tuple[pd.DataFrame, Law]:
    rng = np.random.default_rng(0)
    chance = rng.beta(0.25, 1.5, 120)
    return pd.DataFrame({"samples": 256, "correct": rng.binomial(256, chance)}), LAWS["pass_at_k"]()


def _distillation() -> tuple[pd.DataFrame, Law]:
    supervised = {"E": 1.22, "A": 3355.0, "alpha": 0.408, "B": 18186.0, "beta": 0.431, "gamma": 0.452}
    law = LAWS["distillation"](**supervised)
    frame = _grid(N=np.geomspace(1.5e8, 8e9, 6), D=np.geomspace(4e9, 5e11, 6), teacher_loss=np.array([1.8, 2.0, 2.3, 2.7]))
    truth = [2.549, 522.61, 1.315, 0.090, 2243.0, 0.321, 24181.0, 0.637, 0.764]
    return _from_law(law, truth, frame, "loss"), law


def _hyperparameter() -> tuple[pd.DataFrame, Law]:
    frame = _grid(N=np.geomspace(1e7, 1e9, 5), D=np.geomspace(1e9, 1e11, 4), step=np.linspace(-2, 2, 25))
    best = 1.79 * frame["N"] ** -0.713 * frame["D"] ** 0.307
    frame["lr"] = best * np.exp(frame["step"] + 0.2 * np.sin(7 * np.log(frame["N"])))
    loss = _parametric(frame["N"], frame["D"]) + 0.03 * np.log(frame["lr"] / best) ** 2
    return frame.assign(loss=_with_noise(loss.to_numpy(), noise=0.0005)), LAWS["hyperparameter"]()


def _broken_power_law() -> tuple[pd.DataFrame, Law]:
    law = LAWS["broken_power_law"](x="D")
    truth = {"a": 1.5, "b": 30.0, "c0": 0.12, "c1": 0.3, "d1": 1e9, "f1": 0.3}
    frame = pd.DataFrame({"D": np.geomspace(1e6, 1e12, 60)})
    return _from_law(law, [truth[p.name] for p in law.parameters], frame, "loss"), law


SCHEDULES = ("constant", "cosine", "linear", "wsd")
MULTI_POWER = {"L0": 2.65, "A": 0.6, "alpha": 0.45, "B": 440.0, "C": 2.1, "beta": 0.6, "gamma": 0.65}


def schedule_curves(
    shapes: tuple[str, ...] = SCHEDULES, steps: int = 4000, points: int = 40, noise: float = 0.0005
) -> pd.DataFrame:
    """Return loss curves of the multi-power law as a file has them: ``run``, ``step``, ``lr``, ``loss``, a row at step 1 and at
    each of the ``points`` from the end of the warm-up on.
    """
    law, rows = LAWS["schedule"](points_per_run=10**6), []
    for number, shape in enumerate(shapes):
        optim = OptimConfig(schedule=shape, warmup=0.05, min_lr_ratio=0.1, decay=0.25)
        rates = learning_rates(optim, phases_of(optim, steps, None), 3e-4)
        at = np.append(1, np.linspace(0.05 * steps, steps, points).round().astype(int))
        frame = pd.DataFrame({"run": shape, "step": at, "lr": rates[at], "rates": [rates] * len(at)})
        loss = np.minimum(law.predict(np.array([list(MULTI_POWER.values())]), frame)[0], 10)
        rows.append(frame.assign(loss=_with_noise(loss, number, noise)).drop(columns="rates"))
    return pd.concat(rows, ignore_index=True)


def _schedule() -> tuple[pd.DataFrame, Law]:
    law = LAWS["schedule"]()
    return tidy(schedule_curves(), needs=law.needs).frame, law


CRITICAL = {"E": 1.7, "A": 480.0, "alpha": 0.35, "B": 2000.0, "beta": 0.37, "B_crit_coefficient": 0.05, "B_crit_exponent": 0.46}


def batch_sizes(sizes: int = 3, noise: float = 0.0005) -> pd.DataFrame:
    """Return runs of several model sizes, tokens and batch sizes about the critical ones, by the law of batch sizes."""
    frame = _grid(N=np.geomspace(1e8, 1e9, sizes), D=np.geomspace(2e9, 5e10, 4), batch=2.0 ** np.arange(7, 17))
    frame["C"] = 6 * frame["N"] * frame["D"]
    return _from_law(LAWS["batch_size"](), list(CRITICAL.values()), frame, "loss", noise)


def weight_decays(noise: float = 0.0003) -> pd.DataFrame:
    """Return runs of several weight decays at each of several N and D, whose best time scale is 1.1 (D/N)^-0.52."""
    frame = _grid(N=np.geomspace(1e8, 1e9, 3), D=np.geomspace(2e9, 5e10, 3), step=np.arange(-3, 4) + 0.2)
    best = 1.1 * (frame["D"] / frame["N"]) ** -0.52
    frame = frame.assign(batch=2.0**18, lr=0.01)
    frame["weight_decay"] = frame["batch"] / (frame["lr"] * best * 2.0 ** frame["step"] * frame["D"])
    loss = _parametric(frame["N"], frame["D"]) + 0.02 * (np.log(2) * frame["step"]) ** 2
    return frame.drop(columns="step").assign(loss=_with_noise(loss.to_numpy(), noise=noise))


def _batch_size() -> tuple[pd.DataFrame, Law]:
    law = LAWS["batch_size"]()
    return tidy(batch_sizes(), needs=law.needs).frame, law


def _weight_decay() -> tuple[pd.DataFrame, Law]:
    law = LAWS["weight_decay"]()
    return tidy(weight_decays(), needs=law.needs).frame, law


def model_scores(noise: float = 0.01) -> pd.DataFrame:
    """Return scores of models of four families on four benchmarks, which two skills explain."""
    rng, rows = np.random.default_rng(0), []
    for family, (first, second) in {
        "alpha": (0.2, -0.5),
        "beta": (0.6, 0.1),
        "gamma": (-0.3, 0.4),
        "delta": (0.0, -1.0),
    }.items():
        for n in (1e9, 3e9, 8e9, 2e10, 7e10):
            d = float(rng.choice([1e12, 2e12, 5e12]))
            size, data = np.log(n / 1e9), np.log(d / 1e12)
            x, y = first + 0.5 * size + 0.3 * data, second + 0.2 * size + 0.5 * data
            logits = {"knowledge": x, "maths": y, "code": 0.3 * x + 0.9 * y - 0.2, "commonsense": 0.7 * x + 0.1 * y + 0.4}
            scores = {name: 1 / (1 + np.exp(-logit)) for name, logit in logits.items()}
            scores["knowledge"] = 0.25 + 0.75 * scores["knowledge"]
            scores = {name: float(np.clip(score + rng.normal(0, noise), 0, 1)) for name, score in scores.items()}
            rows.append({"name": f"{family}-{n:.0e}", "family": family, "N": n, "D": d, **scores})
    return pd.DataFrame(rows)


def _observational() -> tuple[pd.DataFrame, Law]:
    names = ["knowledge", "maths", "code", "commonsense"]
    law = LAWS["observational"](benchmarks=names, skills=2, chance={"knowledge": 0.25})
    law, rows = law.prepare(tidy(model_scores(), needs=law.needs).frame)
    return rows, law


def _effective_speedup() -> tuple[pd.DataFrame, Law]:
    law = LAWS["effective_speedup"]()
    frame = _grid(C=np.geomspace(1e18, 1e21, 10), is_treatment=np.array([0.0, 1.0]))
    return tidy(_from_law(law, [1.8, 2.5e4, 0.22, 2.4], frame, "loss"), needs=("C", "loss")).frame, law


def _downstream(x: str = "C", k: bool = False) -> tuple[pd.DataFrame, Law]:
    law = LAWS["downstream"](x=x, k=k, chance=0.0 if k else 0.25)
    if k:
        frame = _grid(C=np.geomspace(1e18, 1e22, 10), k=2.0 ** np.arange(6))
        return _from_law(law, [4e3, 0.17, -0.04, 0.006], frame, "coverage"), law
    frame = _grid(N=np.geomspace(1e8, 1e10, 6), D=np.geomspace(1e9, 3e11, 5))
    frame["C"] = 6 * frame["N"] * frame["D"]
    truth = [2e3, 0.16] if x == "C" else [40.0, 0.2, 900.0, 0.3]
    return _from_law(law, truth, frame, "pass_at_1"), law


def mixes(sources: int, levels: int = 5) -> np.ndarray:
    """Return the lattice of mixes in steps of ``1 / levels``, (n, sources)."""
    counts = np.array(np.meshgrid(*[np.arange(levels + 1)] * sources)).reshape(sources, -1).T
    return counts[counts.sum(axis=1) == levels] / levels


def _data_mixing(form: str) -> tuple[pd.DataFrame, Law]:
    truth = {
        "additive": [1.5, 3.0, 2.0, 1.0, 0.3, 0.5, 0.4, 40.0, 0.25, 300.0, 0.3],
        "joint": [1.5, 3.0, 2.0, 1.0, 0.3, 0.5, 0.4, 40.0, 60.0, 90.0, 1.5, 0.25, 300.0, 500.0, 200.0, 0.7, 0.3],
        "exponential": [2.0, 0.8, 1.5, 2.0],
    }
    sizes = {} if form == "exponential" else {"N": np.geomspace(1e8, 1e9, 3), "D": np.geomspace(1e9, 1e11, 3)}
    frame = _grid(mix=np.arange(len(mixes(3))), **sizes)
    names = [f"data.sources.{name}.weight" for name in ("web", "code", "math")]
    frame = pd.concat([frame, pd.DataFrame(mixes(3)[frame["mix"]], columns=names)], axis=1)
    law = LAWS["data_mixing"](form=form, weights=names)
    return _from_law(law, truth[form], frame, "loss"), law


MOE = [1.3637, 35.91, 0.1889, 0.2285, 0.0098, 35.98, 0.1775, -0.5529, -0.0259]  # the fit of arXiv 2502.05172


def _moe() -> tuple[pd.DataFrame, Law]:
    frame = _grid(N=np.geomspace(1e8, 2e9, 5), D=np.geomspace(2e9, 1e11, 5), experts=2.0 ** np.arange(6))
    return _from_law(LAWS["moe"](), MOE, frame, "loss", noise=0.001), LAWS["moe"]()


def _moe_leverage(granularity: bool = False) -> tuple[pd.DataFrame, Law]:
    law = LAWS["moe_leverage"](granularity=granularity)
    fine = {"granularity": np.array([2.0, 4, 8, 16])} if granularity else {}
    frame = _grid(C=np.geomspace(1e18, 3e20, 6), experts=2.0 ** np.arange(0, 8, 2), **fine)
    truth = [1.7, 1e4, 0.2, 1.2, -0.036, *([-0.11, 0.023] if granularity else [])]
    return tidy(_from_law(law, truth, frame, "loss"), needs=law.needs).frame, law


# a gold reward that is highest at d = exp(alpha/beta - 1) = 4.8, and then falls
GAO = {"R0": -0.3, "alpha": 0.45, "beta": 0.175}


def _overoptimisation(method: str = "rl") -> tuple[pd.DataFrame, Law]:
    law = LAWS["overoptimisation"](method=method)
    truth = [GAO["R0"], GAO["alpha"], GAO["beta"] if method == "rl" else 0.07]
    frame = pd.DataFrame({"kl": np.linspace(0, 8, 40) ** 2 if method == "rl" else np.linspace(0, 2.2, 40) ** 2})
    gold = law.predict(np.array([truth]), frame)[0] + 0.002 * np.random.default_rng(0).standard_normal(len(frame))
    return frame.assign(gold=gold), law


ROLLOUTS = {"rollouts_coefficient": 5.66e-4, "rollouts_exponent": 0.35}  # 4 at 1e11 FLOPs


def group_sizes(budgets: int = 5, seeds: int = 3, noise: float = 0.004, seed: int = 0) -> pd.DataFrame:
    """Return pass rates of reinforcement learning at several budgets, whose best rollouts of a problem rise with compute, and
    whose best problems of a step are 32 at each.
    """
    frame = _grid(C=1e11 * 3.0 ** np.arange(budgets), rollouts=2.0 ** np.arange(1, 7), seed=np.arange(float(seeds)))
    frame["prompts"] = 8 * 2.0 ** (np.arange(len(frame)) % 5)
    off = np.log(frame["rollouts"] / (ROLLOUTS["rollouts_coefficient"] * frame["C"] ** ROLLOUTS["rollouts_exponent"]))
    rate = 0.6 + 0.05 * np.log10(frame["C"] / 1e11) - 0.02 * off**2 - 0.005 * np.log(frame["prompts"] / 32) ** 2
    return frame.assign(pass_at_1=rate + noise * np.random.default_rng(seed).standard_normal(len(frame)))


def _rl_isocompute(**options) -> tuple[pd.DataFrame, Law]:
    law = LAWS["rl_isocompute"](**options)
    return tidy(group_sizes(), needs=law.needs).frame, law


REUSE = {"R0": 0.5, "A": 0.92, "D_mid": 800.0, "B": 1.4, "R_D": 6.0}


def reused_problems(seeds: int = 3, noise: float = 0.01, seed: int = 0) -> pd.DataFrame:
    """Return learning curves of reinforcement learning on 64 to 4,096 problems, 4 answers each."""
    frame = _grid(U=np.array([64.0, 256, 1024, 4096]), seed=np.arange(float(seeds)), D=np.append(0, np.geomspace(32, 5000, 19)))
    frame["run"] = (frame["U"] * 100 + frame["seed"]).astype(int).astype(str)
    rate = LAWS["rl_data_reuse"]().predict(np.array([list(REUSE.values())]), frame)[0]
    rate = np.clip(rate + noise * np.random.default_rng(seed).standard_normal(len(frame)), 0, 1)
    return frame.assign(pass_at_1=rate, rollouts=4.0, D=4 * frame["D"])


def _rl_data_reuse() -> tuple[pd.DataFrame, Law]:
    law = LAWS["rl_data_reuse"]()
    return tidy(reused_problems(noise=0.004), needs=law.needs, zero_compute=True).frame, law


ANSWERING = {
    "C": {"A": 2e3, "alpha": 0.28, "floor": 0.15, "gamma": 0.6},
    "ND": {"A": 40.0, "alpha": 0.3, "B": 300.0, "beta": 0.4, "floor": 0.1, "gamma": 0.5},
}


def answering(x: str = "C", noise: float = 0.004, seed: int = 0) -> pd.DataFrame:
    """Return the accuracy of models that give 1 to 64 answers to each question, with the columns of ``stage=evaluate``."""
    n, d = (np.array([3e5]), np.geomspace(5e4, 5e6, 6)) if x == "C" else (np.array([1e5, 3e5, 1e6]), np.array([1e6, 3e6, 1e7]))
    frame = _grid(N=n, D=d).assign(answer_tokens=40.0)
    frame["C"] = 6 * frame["N"] * frame["D"]
    law, rng = LAWS["test_time"](x=x), np.random.default_rng(seed)
    for k in 2 ** np.arange(7):
        rate = law.predict(np.array([list(ANSWERING[x].values())]), frame.assign(k=float(k), coverage=0.5))[0]
        frame[f"pass_at_{k}"] = np.clip(rate + noise * rng.standard_normal(len(frame)), 0, 1)
    return frame


def _test_time(x: str = "C") -> tuple[pd.DataFrame, Law]:
    law = LAWS["test_time"](x=x)
    return tidy(answering(x), needs=law.needs).frame, law


# name of a law, with what distinguishes it after a comma -> its runs and the law with its options
LAW_STUDIES = {
    "power_law": _power_law,
    "envelope": lambda: (tidy(training_curves()).frame, LAWS["envelope"]()),
    "isoflop": lambda: _isoflop("parabola"),
    "isoflop, akima": lambda: _isoflop("akima"),
    "chinchilla": lambda: (isoflop_runs(), LAWS["chinchilla"]()),
    "data_constrained": _data_constrained,
    "overtraining": _overtraining,
    "task_error": _task_error,
    "rl_sigmoid": _rl_sigmoid,
    "rl_power": _rl_power,
    "pass_at_k": _pass_at_k,
    "distillation": _distillation,
    "hyperparameter": _hyperparameter,
    "broken_power_law": _broken_power_law,
    "schedule": _schedule,
    "batch_size": _batch_size,
    "weight_decay": _weight_decay,
    "observational": _observational,
    "formula": lambda: (isoflop_runs(), LAWS["formula"]()),
    "effective_speedup": _effective_speedup,
    "downstream": _downstream,
    "downstream, N and D": lambda: _downstream("ND"),
    "downstream, pass@k": lambda: _downstream(k=True),
    "data_mixing": lambda: _data_mixing("additive"),
    "data_mixing, joint": lambda: _data_mixing("joint"),
    "data_mixing, exponential": lambda: _data_mixing("exponential"),
    "moe": _moe,
    "moe_leverage": _moe_leverage,
    "overoptimisation": _overoptimisation,
    "overoptimisation, best of n": lambda: _overoptimisation("best_of_n"),
    "moe_leverage, granularity": lambda: _moe_leverage(granularity=True),
    "rl_isocompute": _rl_isocompute,
    "rl_isocompute, problems too": lambda: _rl_isocompute(prompts=True),
    "rl_isocompute, saturating": lambda: _rl_isocompute(form="saturating"),
    "rl_data_reuse": _rl_data_reuse,
    "test_time": _test_time,
    "test_time, N and D": lambda: _test_time("ND"),
}
