"""Tests of programs, read into one form from those in which data sets keep them.

A test is ``(standard input, expected output)``. One that calls a function is ``(arguments, result, function)``, where arguments
are a JSON list and the result is JSON; where the data leave open whether a result is wrapped in a list, the wrapped one comes
fourth, and either is right. A test consists of texts alone, so that a table, JSON and a hash hold it as it is.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import math
import pickle
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, NoReturn

Test = tuple[str, ...]
FORMS = "pairs, objects with input and output, or an object with inputs and outputs (and fn_name), as they are or as JSON text"
NESTED = ("test_cases", "tests")  # keys of an object that holds the tests
CALLS = ("functional", "function_call", "call_based")  # types of tests that call a function
STREAMS = ("stdin", "stdin_stdout", "standard_input")  # and of those that do not


class Case(NamedTuple):
    """A test as it is in the data."""

    input: Any
    output: Any
    type: str | None = None
    function: str | None = None


def read(cells: Iterable[Any], function: str | None = None) -> tuple[Test, ...]:
    """The tests in the cells of a row; none where they call a function that nothing names.

    :param function: that tests call which do not say what they do.
    :raises ValueError: for a cell of another form, with what it holds. The message has a row for its subject.
    """
    with any_digits():
        cases = [case for cell in cells for case in _cases(_decoded(cell))]
        named = [(place, case, _function(case, function, place)) for place, case in enumerate(cases, start=1)]
        if any(name == "" for _, _, name in named):
            return ()
        wrapped = _wrapped([case.output for _, case, name in named if name])
        return tuple(
            (_text(case.input, f"the input of test {place}"), _text(case.output, f"the output of test {place}"))
            if name is None
            else _call(case, name, place, wrapped)
            for place, case, name in named
        )


def _decoded(cell: Any) -> Any:
    """A cell out of its JSON, also where that is text in JSON, or is pickled, deflated and in base 64, as in LiveCodeBench."""
    while isinstance(cell, str):
        if not cell.strip():
            return None
        try:
            cell = json.loads(cell, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            if cell.lstrip()[0] in "[{":
                raise ValueError(f"holds text that is not JSON: {error}") from error
            cell = _unpacked(cell)
    return None if isinstance(cell, float) and math.isnan(cell) else cell


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number in JSON")


def _unpacked(text: str) -> str:
    try:
        packed = zlib.decompress(base64.b64decode("".join(text.split()), validate=True))
    except (binascii.Error, ValueError, zlib.error) as error:
        raise ValueError(f"holds the text {_short(text)}; tests are {FORMS}, or packed as in LiveCodeBench") from error
    try:
        unpacked = _Text(io.BytesIO(packed)).load()
    except Exception as error:  # a pickle that is broken raises whatever it comes upon
        raise ValueError(f"holds packed tests that cannot be read: {_line(str(error), 80)}") from error
    if not isinstance(unpacked, str):
        raise ValueError(f"holds packed tests that are {type(unpacked).__name__}, not JSON text")
    return unpacked


class _Text(pickle.Unpickler):
    """Reads a pickled text, and nothing else: a pickle can run what it likes."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"it names {module}.{name}; only text is read")


def _cases(cell: Any) -> Iterator[Case]:
    match cell:
        case None:
            return
        case Mapping():
            yield from _of_object(cell)
        case list() | tuple():
            for place, test in enumerate(cell, start=1):
                yield _of_item(test, place)
        case _:
            raise ValueError(f"holds {_short(cell)}; tests are {FORMS}")


def _of_object(cell: Mapping[str, Any]) -> Iterator[Case]:
    for key in NESTED:
        if key in cell:
            yield from _cases(_decoded(cell[key]))
            return
    for inputs, outputs in (("inputs", "outputs"), ("input", "output")):
        if inputs in cell and outputs in cell:
            break
    else:
        keys = _line(", ".join(map(str, cell)), 60) or "no keys"
        raise ValueError(f"holds an object with {keys}; tests are {FORMS}")
    given, expected = cell[inputs], cell[outputs]
    if not (isinstance(given, list | tuple) and isinstance(expected, list | tuple)):
        if inputs == "inputs":
            raise ValueError("holds inputs and outputs that are not both lists")
        yield _of_item(cell, 1)
        return
    if len(given) != len(expected):
        raise ValueError(f"holds {len(given)} {inputs} and {len(expected)} {outputs}")
    for place in range(len(given)):
        # what else the object says may be there once, or once a test
        test = {
            key: value[place] if isinstance(value, list | tuple) and len(value) == len(given) else value
            for key, value in cell.items()
        }
        yield Case(given[place], expected[place], _type(test, place + 1), _named(test))


def _of_item(test: Any, place: int) -> Case:
    match test:
        case {"input": given, "output": expected}:
            return Case(given, expected, _type(test, place), _named(test))
        case [given, expected]:
            return Case(given, expected)
        case _:
            raise ValueError(f"holds {_short(test)} as test {place}; tests are {FORMS}")


def _type(test: Mapping[str, Any], place: int) -> str | None:
    kind = test.get("testtype") or test.get("type")
    if kind and kind not in (*CALLS, *STREAMS):
        raise ValueError(f"holds {_short(kind)} as the type of test {place}, not one of {', '.join((*CALLS, *STREAMS))}")
    return kind


def _named(test: Mapping[str, Any]) -> str | None:
    metadata = test.get("metadata")
    if isinstance(metadata, str):
        with suppress(ValueError, RecursionError):
            metadata = json.loads(metadata)
    return test.get("fn_name") or (metadata.get("func_name") if isinstance(metadata, Mapping) else None)


def _function(case: Case, function: str | None, place: int) -> str | None:
    """The function that a test calls; None where it calls none, empty where it calls one that nothing names."""
    if case.type in STREAMS:
        return None
    name = case.function or function
    if name and not (isinstance(name, str) and name.isidentifier()):
        raise ValueError(f"holds {_short(name)} as the function of test {place}, not a name")
    return name or ("" if case.type in CALLS else None)


def _text(value: Any, what: str) -> str:
    """Read what a program reads or prints: text, a number, or a list of lines."""
    lines = value if isinstance(value, list | tuple) else [value]
    for line in lines:
        number = isinstance(line, int | float) and not isinstance(line, bool)
        if not (isinstance(line, str) or number) or (isinstance(line, float) and not math.isfinite(line)):
            raise ValueError(f"holds {_short(line)} in {what}, which is text or a list of lines")
    # a lone half of a character is in no file
    return "\n".join(map(str, lines)).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _call(case: Case, function: str, place: int, wrapped: bool) -> Test:
    given, result = case.input, case.output
    if isinstance(given, str):
        given = _arguments(given, case.type, place)
        result = _json(result, f"the output of test {place}") if isinstance(result, str) else result
    elif not isinstance(given, list | tuple):
        raise ValueError(f"holds {_short(given)} as the input of test {place}, not a list of the arguments of {function}")
    try:
        test = (json.dumps(given, allow_nan=False), json.dumps(result, allow_nan=False), function)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"holds test {place} that is not JSON: {error}") from error
    return (test[0], json.dumps(result[0]), function, test[1]) if wrapped else test


def _arguments(text: str, kind: str | None, place: int) -> list[Any]:
    """Arguments in JSON, one a line, as in LiveCodeBench; of ``function_call``, the list of them."""
    what = f"the input of test {place}"
    if kind == "function_call":
        try:
            given = json.loads(text)
        except ValueError:
            given = None
        if isinstance(given, list):
            return given
    return [_json(line, what) for line in text.split("\n") if line.strip()]


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"holds {_short(text)} in {what}, which is not JSON") from error


def _wrapped(results: list[Any]) -> bool:
    """Check that all results are lists of one. APPS and TACO wrap results so; some functions return such lists."""
    return bool(results) and all(isinstance(result, list | tuple) and len(result) == 1 for result in results)


def _short(value: Any) -> str:
    if isinstance(value, str):
        return repr(_line(value, 40))
    return _line(json.dumps(value, default=lambda value: type(value).__name__), 60)


def _line(text: str, size: int) -> str:
    line = " ".join(text[: 2 * size].split())
    return line if len(line) <= size else f"{line[: size - 3]}..."


@contextmanager
def any_digits() -> Iterator[None]:
    """Allow whole numbers of any length, since tests have more digits than Python reads from text elsewhere."""
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(limit)
