"""Arguments of the Python API: what is accepted, and a line that begins with the name of the argument about anything else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from openr1.analysis.laws.constraints import is_number
from openr1.analysis.sources.columns import LABELS, Columns, Keys
from openr1.analysis.sources.frame import RESERVED, Runs
from openr1.analysis.sources.plausibility import check_units
from openr1.analysis.sources.rows import check_names, check_sizes_of_runs, has_points, least, usable
from openr1.analysis.sources.study_runs import StudyRuns
from openr1.analysis.sources.tidied import holds_budgets, told
from openr1.analysis.warning import RankedWarning, Severity
from openr1.options.types import shown
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from openr1.analysis.laws import Law


class _Tidying(Keys):
    """Names of options in messages about a frame that :func:`openr1.analysis.tidy` has not read: it takes units."""

    def unit(self, key: str, value: str) -> str:
        return f"tidy(frame, {super().unit(key, value)})"


TIDYING = _Tidying(columns="")


def read_frame(frame: Any, argument: str = "frame") -> pd.DataFrame:
    """Return the rows of a DataFrame, of the ``Runs`` that the readers and ``tidy`` return, or of the runs of a study.

    :raises ConfigError: for anything else, or several columns of one name.
    """
    import pandas as pd

    if isinstance(frame, StudyRuns):
        return frame.tidy().frame
    if isinstance(frame, Runs):
        return frame.frame
    if not isinstance(frame, pd.DataFrame):
        raise ConfigError(f"{argument}: must be a DataFrame, or what tidy or read_csv returns, not {shown(frame)}")
    if frame.columns.has_duplicates:
        name = frame.columns[frame.columns.duplicated()][0]
        raise ConfigError(f"{argument}: several columns are named {name!r}; rename all but one")
    return frame


def read_rows(frame: Any, argument: str = "frame") -> pd.DataFrame:
    """Return what :func:`read_frame` does, of which there is a row at least.

    :raises ConfigError: if there is none.
    """
    frame = read_frame(frame, argument)
    if frame.empty:
        raise ConfigError(f"{argument}: has no rows")
    check_names(frame)
    return frame


def check_option(value: Any, argument: str, kind: type, example: str) -> None:
    """Refuse a value that is not of its class of options, nor null.

    :raises ConfigError: with an example of what to write.
    """
    if value is not None and not isinstance(value, kind):
        raise ConfigError(f"{argument}: must be a {kind.__name__}, such as {example}, not {shown(value)}")


def positive_number(value: Any, argument: str) -> float:
    """Return one positive finite number.

    :raises ConfigError: for anything else, such as a list.
    """
    if not is_number(value) or value <= 0:
        raise ConfigError(f"{argument}: must be one positive finite number, not {shown(value)}")
    return float(value)


def positive_numbers(values: Any, argument: str) -> np.ndarray:
    """Return one or several positive finite numbers as an array (n,).

    :raises ConfigError: for anything else.
    """
    try:
        numbers = np.atleast_1d(np.asarray(values, dtype=float))
    except (TypeError, ValueError):
        numbers = np.full(1, np.nan)
    if numbers.ndim > 1 or not (np.isfinite(numbers) & (numbers > 0)).all():
        raise ConfigError(f"{argument}: must be a positive finite number, or a list of them, not {shown(values)}")
    return numbers


def require_columns(frame: pd.DataFrame, names: Sequence[str], argument: str, law: Law) -> None:
    """Check that the columns exist which a law predicts from.

    :raises ConfigError: naming those that are missing.
    """
    if missing := [name for name in names if name not in frame]:
        word = "column" if len(missing) == 1 else "columns"
        raise ConfigError(f"{argument}: lacks the {word} {', '.join(missing)}, which {law.name} needs")


def predict_rows(law: Law, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
    """Predict the responses (m, n) of rows. Only a failure, or a prediction that is no number, shows which of the columns a law
    predicts from, since some serve the fit alone.

    :raises ConfigError: naming the columns that are missing, or that hold no numbers, or none that a run can have.
    """
    import pandas as pd

    needs = [name for name in law.needs if name != law.response]
    numbers = [name for name in needs if name in frame and name not in LABELS]
    try:
        predicted = law.predict(params, frame)
    except KeyError as error:
        require_columns(frame, needs, "frame", law)
        if str(error.args[0]).isidentifier():  # a column that the options of the law name
            require_columns(frame, [error.args[0]], "frame", law)
        raise
    except ConfigError:
        raise
    except (TypeError, ValueError):
        for name in (name for name in numbers if frame[name].dtype.kind not in "fiu"):
            raise ConfigError(f"frame: {name} must hold numbers, not texts or objects") from None
        raise
    for name in (name for name in numbers if name in vars(Columns())):
        values = pd.to_numeric(frame[name], errors="coerce")
        wrong = values.abs().lt(np.inf) & ~usable(name, values, law.zero_compute) & ~np.isfinite(predicted).all(axis=0)
        if wrong.any():
            allowed = "positive" if least(name, law.zero_compute) == "positive" else "0 or positive"
            raise ConfigError(f"frame: {name} must be {allowed}, not {values[wrong].iloc[0]:g}")
    return predicted


def settle_columns(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[RankedWarning]]:
    """Return a frame in which no column is used by its name alone, and a line about each that another reader would use.

    A column ``weight`` counts where it was asked for, and ``budget`` if it is the compute that runs share; others of these
    names are kept as ``weight_unused`` and ``budget_unused``. The points of one ``run_id`` are those of one run.

    :raises ConfigError: for a run with rows of several N.
    """
    said: list[RankedWarning] = []
    if "weight" in frame and "weight" not in told(frame):
        said.append(RankedWarning("the column 'weight' is not used; weights='weight' weights the rows by it", Severity.DATA))
        frame = frame.rename(columns={"weight": RESERVED["weight"]})
    if "budget" in frame and "budget" not in told(frame) and not holds_budgets(frame):
        said.append(
            RankedWarning(
                f"the column 'budget' is called {RESERVED['budget']}, since budget is the compute that runs share",
                Severity.DATA,
            )
        )
        frame = frame.rename(columns={"budget": RESERVED["budget"]})
    points = has_points(frame)
    if points:
        said.append(
            RankedWarning("rows with the same run_id are points of one run, which resamples keep together", Severity.DATA)
        )
        frame = frame.assign(run=frame["run_id"].fillna(frame.index.to_series().map("row {}".format)))
    check_sizes_of_runs(frame, "run_id" if points else "run")
    return frame, said


def check_plain_frame(frame: pd.DataFrame, needs: Sequence[str]) -> list[RankedWarning]:
    """Return warnings of the units of a frame, as far as :func:`openr1.analysis.tidy` has not told of them.

    :raises ConfigError: for values that are certainly in another unit.
    """
    known = told(frame)
    return check_units(frame, [name for name in needs if name not in known], {}, TIDYING)


@contextmanager
def reading_json(path: Path) -> Iterator[Any]:
    """Give the values of a JSON file that ``save`` wrote.

    :raises ConfigError: naming the file, if it is missing, or no such file of this version.
    """
    try:
        values = json.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"directory: {path} cannot be read: {error.strerror}; give the directory that save wrote") from error
    except ValueError as error:
        raise ConfigError(f"directory: {path} is not JSON, as if it was cut off: {error}") from error
    try:
        yield values
    except (KeyError, TypeError, AttributeError) as error:
        reason = f"there is no entry {error}" if isinstance(error, KeyError) else str(error).splitlines()[0]
        raise ConfigError(f"directory: {path} is not of this version of the analysis ({reason}); fit the runs again") from error
