"""The laws that can be fitted. A new one is a dataclass in a file of its own, a line here and a file in conf/analysis/law."""

from analysis.laws.base import Cost, Law, Parameter
from analysis.laws.chinchilla import Chinchilla
from analysis.laws.isoflop import IsoFlop
from analysis.laws.power_law import PowerLaw

LAWS: dict[str, type[Law]] = {law.name: law for law in (IsoFlop, Chinchilla, PowerLaw)}

__all__ = ["LAWS", "Chinchilla", "Cost", "IsoFlop", "Law", "Parameter", "PowerLaw"]
