"""Laws, by name. A new law is a class in a module of its own, an entry here, and a file in ``conf/analysis/law``."""

from openr1.analysis.laws.base import Law, Parameter, Solution, TrainingFlops
from openr1.analysis.laws.batch_size import BatchSize
from openr1.analysis.laws.broken_power_law import BrokenPowerLaw
from openr1.analysis.laws.chinchilla import Chinchilla
from openr1.analysis.laws.data_constrained import DataConstrained
from openr1.analysis.laws.data_mixing import DataMixing
from openr1.analysis.laws.distillation import Distillation
from openr1.analysis.laws.downstream import Downstream
from openr1.analysis.laws.effective_speedup import EffectiveSpeedup
from openr1.analysis.laws.envelope import Envelope
from openr1.analysis.laws.formula import FormulaLaw
from openr1.analysis.laws.hyperparameter import Hyperparameter
from openr1.analysis.laws.isoflop import IsoFlop
from openr1.analysis.laws.moe import Moe
from openr1.analysis.laws.moe_leverage import MoeLeverage
from openr1.analysis.laws.observational import Observational
from openr1.analysis.laws.overoptimisation import Overoptimisation
from openr1.analysis.laws.overtraining import Overtraining, TaskError
from openr1.analysis.laws.pass_at_k import PassAtK
from openr1.analysis.laws.power_law import PowerLaw
from openr1.analysis.laws.rl_data_reuse import RlDataReuse
from openr1.analysis.laws.rl_isocompute import RlIsocompute
from openr1.analysis.laws.rl_power import RlPower
from openr1.analysis.laws.rl_sigmoid import RlSigmoid
from openr1.analysis.laws.schedule import Schedule
from openr1.analysis.laws.test_time import TestTime
from openr1.analysis.laws.weight_decay import WeightDecay

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
