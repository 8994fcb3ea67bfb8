"""``import analysis`` and ``import sweeps`` in a checkout."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

CODE = """
import analysis, sweeps
from openr1 import analysis as full, sweeps as planned

assert analysis is full and sweeps is planned

import analysis.fit.display, analysis.sources.options
from analysis.laws.power_law import PowerLaw
from openr1.analysis.laws.power_law import PowerLaw as Full

assert PowerLaw is Full
assert callable(analysis.fit) and callable(analysis.forecast)  # functions with the names of their packages

import openr1.sweeps.designs.isoflop, sweeps.designs.isoflop

assert sweeps.designs.isoflop is openr1.sweeps.designs.isoflop
try:
    import analysis.nothing
except ModuleNotFoundError as error:
    print(error)
"""


def test_a_short_name_gives_the_modules_of_the_package_itself():
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "No module named 'openr1.analysis.nothing'\n"
