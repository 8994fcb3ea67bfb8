"""Tests of programs, converted to one form from those of common data sets.

A test is ``(standard input, expected output)``. A test that calls a function is ``(arguments, result, function)``, where the
arguments are a JSON list and the result is JSON; if the data are ambiguous about a list around the result, the result with it
comes fourth, and either is right. A test consists of texts only, so that tables, JSON and hashes can hold it unchanged.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import math
import pickle
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, NoReturn

from openr1.data.json_text import any_digits

Test = tuple[str, ...]
FORMS = "pairs, objects with input and output, or an object with inputs and outputs (and fn_name), as they are or as JSON text"
NESTED = ("test_cases", "tests")  # keys of an object that holds the tests
CALLS = ("functional", "function_call", "call_based")  # types of tests that call a function
STREAMS = ("stdin", "stdin_stdout", "standard_input")  # types of tests that run a program on standard input


class Case(NamedTuple):
    """A test in the form of the data set."""

    input: Any
    output: Any
    type: str | None = None
    function: str | None = None


def read_tests(cells: Iterable[Any], function: str | None = None) -> tuple[Test, ...]:
    """Read the tests in the cells of a row; return none if they call a function without naming it.

    :param function: function under test, for tests that do not name one.
    :raises ValueError: for a cell of another form. The message continues a sentence whose subject is the row.
    """
    with any_digits():
        cases = [case for cell in cells for case in _cases(_decoded(cell))]
        named = [(place, case, _function(case, function, place)) for place, case in enumerate(cases, start=1)]
        if any(name == "" for _, _, name in named):
            return ()
        wrapped = _are_wrapped([case.output for _, case, name in named if name])
        return tuple(
            (_text(case.input, f"the input of test {place}"), _text(case.output, f"the output of test {place}"))
            if name is None
            else _call(case, name, place, wrapped)
            for place, case, name in named
        )


def _decoded(cell: Any) -> Any:
    """Parse a cell from JSON, also from JSON within JSON, or from base64 of a deflated pickle, as in LiveCodeBench."""
    while isinstance(cell, str):
        if not cell.strip():
            return None
        try:
            cell = json.loads(cell, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            if cell.lstrip()[0] in "[{":
                raise ValueError(f"holds text that is not JSON: {error}") from error
            cell = _unpacked(cell)
    return None if isinstance(cell, float) and math.isnan(cell) else cell


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number in JSON")


def _unpacked(text: str) -> str:
    try:
        packed = zlib.decompress(base64.b64decode("".join(text.split()), validate=True))
    except (binascii.Error, ValueError, zlib.error) as error:
        raise ValueError(f"holds the text {_short(text)}; tests are {FORMS}, or packed as in LiveCodeBench") from error
    try:
        unpacked = _TextUnpickler(io.BytesIO(packed)).load()
    except Exception as error:  # a broken pickle can raise any exception
        raise ValueError(f"holds packed tests that cannot be read: {_line(str(error), 80)}") from error
    if not isinstance(unpacked, str):
        raise ValueError(f"holds packed tests that are {type(unpacked).__name__}, not JSON text")
    return unpacked


class _TextUnpickler(pickle.Unpickler):
    """An unpickler of text only, since a pickle of any other type can execute arbitrary code."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"it names {module}.{name}; only text is read")


def _cases(cell: Any) -> Iterator[Case]:
    match cell:
        case None:
            return
        case Mapping():
            yield from _cases_of_object(cell)
        case list() | tuple():
            for place, test in enumerate(cell, start=1):
                yield _case_of_item(test, place)
        case _:
            raise ValueError(f"holds {_short(cell)}; tests are {FORMS}")


def _cases_of_object(cell: Mapping[str, Any]) -> Iterator[Case]:
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
    arguments, expected = cell[inputs], cell[outputs]
    if not (isinstance(arguments, list | tuple) and isinstance(expected, list | tuple)):
        if inputs == "inputs":
            raise ValueError("holds inputs and outputs that are not both lists")
        yield _case_of_item(cell, 1)
        return
    if len(arguments) != len(expected):
        raise ValueError(f"holds {len(arguments)} {inputs} and {len(expected)} {outputs}")
    for place in range(len(arguments)):
        # any other value of the object is one for all tests, or a list with one for each
        test = {
            key: value[place] if isinstance(value, list | tuple) and len(value) == len(arguments) else value
            for key, value in cell.items()
        }
        yield Case(arguments[place], expected[place], _type(test, place + 1), _function_name(test))


def _case_of_item(test: Any, place: int) -> Case:
    match test:
        case {"input": arguments, "output": expected}:
            return Case(arguments, expected, _type(test, place), _function_name(test))
        case [arguments, expected]:
            return Case(arguments, expected)
        case _:
            raise ValueError(f"holds {_short(test)} as test {place}; tests are {FORMS}")


def _type(test: Mapping[str, Any], place: int) -> str | None:
    kind = test.get("testtype") or test.get("type")
    if kind and kind not in (*CALLS, *STREAMS):
        raise ValueError(f"holds {_short(kind)} as the type of test {place}, not one of {', '.join((*CALLS, *STREAMS))}")
    return kind


def _function_name(test: Mapping[str, Any]) -> str | None:
    metadata = test.get("metadata")
    if isinstance(metadata, str):
        with suppress(ValueError, RecursionError):
            metadata = json.loads(metadata)
    return test.get("fn_name") or (metadata.get("func_name") if isinstance(metadata, Mapping) else None)


def _function(case: Case, function: str | None, place: int) -> str | None:
    """Return the function that a test calls; None if it calls none, empty if it calls one without naming it."""
    if case.type in STREAMS:
        return None
    name = case.function or function
    if name and not (isinstance(name, str) and name.isidentifier()):
        raise ValueError(f"holds {_short(name)} as the function of test {place}, not a name")
    return name or ("" if case.type in CALLS else None)


def _text(value: Any, what: str) -> str:
    """Return the input or output of a program as text, from text, a number, or a list of lines."""
    lines = value if isinstance(value, list | tuple) else [value]
    for line in lines:
        number = isinstance(line, int | float) and not isinstance(line, bool)
        if not (isinstance(line, str) or number) or (isinstance(line, float) and not math.isfinite(line)):
            raise ValueError(f"holds {_short(line)} in {what}, which is text or a list of lines")
    # a file cannot hold half of a surrogate pair
    return "\n".join(map(str, lines)).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _call(case: Case, function: str, place: int, wrapped: bool) -> Test:
    arguments, result = case.input, case.output
    if isinstance(arguments, str):
        arguments = _arguments(arguments, case.type, place)
        result = _json(result, f"the output of test {place}") if isinstance(result, str) else result
    elif not isinstance(arguments, list | tuple):
        raise ValueError(f"holds {_short(arguments)} as the input of test {place}, not a list of the arguments of {function}")
    try:
        test = (json.dumps(arguments, allow_nan=False), json.dumps(result, allow_nan=False), function)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"holds test {place} that is not JSON: {error}") from error
    return (test[0], json.dumps(result[0]), function, test[1]) if wrapped else test


def _arguments(text: str, kind: str | None, place: int) -> list[Any]:
    """Parse arguments in JSON, one per line, as in LiveCodeBench, or for ``function_call`` one list of them."""
    what = f"the input of test {place}"
    if kind == "function_call":
        try:
            arguments = json.loads(text)
        except ValueError:
            arguments = None
        if isinstance(arguments, list):
            return arguments
    return [_json(line, what) for line in text.split("\n") if line.strip()]


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"holds {_short(text)} in {what}, which is not JSON") from error


def _are_wrapped(results: list[Any]) -> bool:
    """Tell whether all results are lists of one item, as APPS and TACO wrap results; some functions return such lists."""
    return bool(results) and all(isinstance(result, list | tuple) and len(result) == 1 for result in results)


def _short(value: Any) -> str:
    if isinstance(value, str):
        return repr(_line(value, 40))
    return _line(json.dumps(value, default=lambda value: type(value).__name__), 60)


def _line(text: str, size: int) -> str:
    line = " ".join(text[: 2 * size].split())
    return line if len(line) <= size else f"{line[: size - 3]}..."
