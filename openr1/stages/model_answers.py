"""Answers of the model of a run to its problems, by one process or by several that share them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openr1.data.answers import ProblemAnswers
from openr1.data.tasks import Problem
from openr1.distributed.launcher import threads_per_process
from openr1.engines import Engine
from openr1.engines.base import engine_metrics
from openr1.engines.generate import GenerationStats, count_answers, depends_on_batch, engine_answerer, open_run_engine
from openr1.engines.journal import Journal, fill_journal
from openr1.engines.shared_journal import fill_shared_journal, report_shared
from openr1.training.context import StageContext

if TYPE_CHECKING:
    from openr1.config.schema import Config


@dataclass(frozen=True)
class RunAnswers:
    """All answers to the problems of a run.

    :ivar measured: what its engines have measured, by the names of metrics.
    """

    journal: Journal
    stats: GenerationStats
    measured: dict[str, float]

    def speed_metrics(self, seconds: float) -> dict[str, float]:
        """Return the metrics of generation that hold for a run that was not resumed."""
        if not self.stats.completion_tokens or self.journal.resumed:
            return {}
        return {"tokens_per_second": self.stats.completion_tokens / seconds, **self.measured}


def ask_model(context: StageContext, problems: Sequence[Problem]) -> RunAnswers | None:
    """Have the model of a run answer problems. Its engine is opened if a problem has no answers yet.

    :returns: the answers of all processes; None in all but the first, which have nothing left to do.
    :raises RunError: if more problems fail than ``stage.max_failed`` allows.
    """
    config, queue, report = context.config, context.queue, context.report
    stage, whole_shards = config.stage, depends_on_batch(config.engine)
    journal = Journal(context.folder, problems, stage.shard, queue.rank if queue else 0)
    engines: list[Engine] = []
    with ExitStack() as stack:

        def answer(asked: Sequence[Problem]) -> Iterator[ProblemAnswers]:
            if not engines:
                if queue is None:  # the launcher has limited the threads of several processes
                    limit_threads(config)
                engines.append(stack.enter_context(open_run_engine(config.engine, config.model, config.scale, stage.sampling)))
            return engine_answerer(engines[0], config.data, stage.samples, config.seed)(asked)

        if queue is None:
            fill_journal(journal, answer, whole_shards, report, stage.samples)
        else:
            fill_shared_journal(journal, answer, whole_shards, report, stage.samples, queue)
        counts = Counter(engines[0].counts() if engines else {})
    if queue is not None:
        queue.finish(counts)
        if not queue.is_first:
            return None
        counts = Counter()
        for of_one in queue.results(lambda: report_shared(journal, report, stage.samples, queue)):
            counts.update(of_one)
        report_shared(journal, report, stage.samples, queue)
    stats = count_answers(journal, stage.samples, stage.max_failed, context.estimate.shape)
    return RunAnswers(journal, stats, engine_metrics(counts))


def limit_threads(config: Config) -> None:
    """Limit the threads of transformers on a processor to ``compute.threads``, since the last bits depend on them."""
    if config.engine.kind == "transformers" and config.engine.device == "cpu":
        import torch

        torch.set_num_threads(threads_per_process(config.compute))
