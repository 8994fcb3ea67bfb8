"""The part of a test that runs in the program's process: calls a function and prints its result as JSON.

:mod:`openr1.rewards.function_calls` appends a line that calls :func:`call`. Standard input holds a mark on a line of its own,
and the arguments as a JSON list. The mark is printed before the result, since a result counts only if the function returned it.
What the program itself prints is discarded, and the expected result is not known to it.
"""

import json
import os
import sys
import types

# names that solutions of such problems use without importing them
NAMES = """
from typing import *
from collections import *
from heapq import *
from bisect import *
from itertools import *
from functools import *
from math import *
from string import *
from re import *
from operator import *
from builtins import *
import bisect, collections, copy, datetime, functools, heapq, itertools, math, operator, random, re, string, sys, typing
"""


def call(program: str, function: str) -> None:
    """Call the method of ``Solution``, or else the function, of a program, and print its result."""
    with open(os.dup(1), "w", encoding="ascii") as result:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        getattr(sys, "set_int_max_str_digits", int)(0)  # an old interpreter on a server has no such limit
        sys.setrecursionlimit(50_000)
        mark = sys.stdin.readline().strip()
        arguments = json.load(sys.stdin)
        module = types.ModuleType("program")
        sys.modules["program"] = module
        exec(NAMES, vars(module))
        vars(module).pop(function, None)  # the program must define it
        exec(compile(program, "program.py", "exec", dont_inherit=True), vars(module))
        solution = getattr(module, "Solution", None)
        owner = solution() if solution is not None and hasattr(solution, function) else module
        result.write(mark + json.dumps(getattr(owner, function)(*arguments), separators=(",", ":")))
