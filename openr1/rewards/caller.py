"""The part of a test that runs in the program's process: calls a function, and prints what it returns as JSON.

Its source comes before a line that calls :func:`call` (:mod:`openr1.rewards.calls`). The arguments are read from the standard
input as a JSON list. What the program prints is not its result, and the expected one is not here.
"""

import json
import os
import sys
import types

# what solutions of such problems use without importing it
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
    """Print what the method of ``Solution``, or else the function, of a program returns."""
    with open(os.dup(1), "w", encoding="ascii") as result:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        getattr(sys, "set_int_max_str_digits", int)(0)  # which an old interpreter on a server lacks, as it lacks the limit
        sys.setrecursionlimit(50_000)
        arguments = json.load(sys.stdin)
        module = types.ModuleType("program")
        sys.modules["program"] = module
        exec(NAMES, vars(module))
        vars(module).pop(function, None)  # it is the program that has to define it
        exec(compile(program, "program.py", "exec", dont_inherit=True), vars(module))
        solution = getattr(module, "Solution", None)
        owner = solution() if hasattr(solution, function) else module
        result.write(json.dumps(getattr(owner, function)(*arguments), separators=(",", ":")))
