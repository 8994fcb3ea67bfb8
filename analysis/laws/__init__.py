from analysis.laws.base import Cost, Law, Parameter, Solution
from analysis.laws.chinchilla import Chinchilla

LAWS = {"chinchilla": Chinchilla}
