"""Laws, by name. A new law is a class in a module of its own, an entry here, and a file in ``conf/analysis/law``."""

from analysis.laws.base import Law, Parameter, Solution, TrainingFlops
from analysis.laws.batch_size import BatchSize
from analysis.laws.broken_power_law import BrokenPowerLaw
from analysis.laws.chinchilla import Chinchilla
from analysis.laws.data_constrained import DataConstrained
from analysis.laws.data_mixing import DataMixing
from analysis.laws.distillation import Distillation
from analysis.laws.downstream import Downstream
from analysis.laws.effective_speedup import EffectiveSpeedup
from analysis.laws.envelope import Envelope
from analysis.laws.formula import FormulaLaw
from analysis.laws.hyperparameter import Hyperparameter
from analysis.laws.isoflop import IsoFlop
from analysis.laws.moe import Moe
from analysis.laws.moe_leverage import MoeLeverage
from analysis.laws.observational import Observational
from analysis.laws.overoptimisation import Overoptimisation
from analysis.laws.overtraining import Overtraining, TaskError
from analysis.laws.pass_at_k import PassAtK
from analysis.laws.power_law import PowerLaw
from analysis.laws.rl_data_reuse import RlDataReuse
from analysis.laws.rl_isocompute import RlIsocompute
from analysis.laws.rl_power import RlPower
from analysis.laws.rl_sigmoid import RlSigmoid
from analysis.laws.schedule import Schedule
from analysis.laws.test_time import TestTime
from analysis.laws.weight_decay import WeightDecay

LAWS: dict[str, type[Law]] = {
    law.name: law
    for law in (
        PowerLaw,
        Envelope,
        IsoFlop,
        Chinchilla,
        DataConstrained,
        Overtraining,
        TaskError,
        RlSigmoid,
        RlPower,
        PassAtK,
        Distillation,
        Hyperparameter,
        BrokenPowerLaw,
        FormulaLaw,
        Schedule,
        BatchSize,
        WeightDecay,
        Observational,
        EffectiveSpeedup,
        Downstream,
        DataMixing,
        Moe,
        MoeLeverage,
        Overoptimisation,
        RlIsocompute,
        RlDataReuse,
        TestTime,
    )
}

__all__ = ["LAWS", "TrainingFlops", "Law", "Parameter", "Solution", *(law.__name__ for law in LAWS.values())]
