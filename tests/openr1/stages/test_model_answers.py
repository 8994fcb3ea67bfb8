"""Stages whose problems two processes share, which are threads here."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from helpers.configs import composed
from helpers.models import write_model
from torch.distributed import HashStore

from openr1.data import problems
from openr1.distributed.work_queue import WorkQueue
from openr1.engines import Completion, Engine, Reply
from openr1.engines.base import engine_metrics
from openr1.stages import evaluate, generate, model_answers, reject
from openr1.stages.model_answers import ask_model, limit_threads
from openr1.training.context import RunEstimate, StageContext

SUMS = ["data=sums", "data.sources.sums.problems=120", "data.eval_fraction=0.3"]
TIMES = {"wall_seconds", "tokens_per_second"}


class CountingEngine(Engine):
    """Answers sums, the first sample of each rightly, and counts drafts: those of a request are the same on any process."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def _generate(self, requests, sampling):
        for request in reversed(requests):
            self.asked.append(request.id)
            right = eval(request.prompt.removesuffix("="))
            texts = [f"<think>so</think><answer>{right + sample}</answer>" for sample in range(request.n)]
            yield Reply(request.id, tuple(Completion(text, "stop", len(text)) for text in texts), len(request.prompt))

    def counts(self):
        return {"draft_tokens": 3 * len(self.asked), "accepted_tokens": sum(int(name[0], 16) % 4 for name in self.asked)}


@pytest.fixture
def engines(monkeypatch):
    """The engines that were opened, and closed at the end."""
    opened = []

    def open_engine(*options):
        opened.append(CountingEngine())
        return opened[-1]

    monkeypatch.setattr(model_answers, "open_run_engine", open_engine)
    return opened


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model"))


def context_of(folder, model, *overrides):
    """Return the context of a stage on one process."""
    folder.mkdir(exist_ok=True)
    config = composed(*SUMS, f"model.checkpoint={model}", "stage.samples=3", *overrides, f"paths.outputs={folder}/outputs")
    return StageContext(config, {}, RunEstimate(None), folder, run=None)


def by_two(run, context):
    """Run a stage on two processes, and return the metrics of both."""
    store = HashStore()
    contexts = [replace(context, queue=WorkQueue(store, rank, 2)) for rank in range(2)]
    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(run, contexts))


@pytest.mark.parametrize("module", [generate, evaluate, reject], ids=["generate", "evaluate", "reject"])
def test_two_processes_give_the_files_and_metrics_of_one(tmp_path, model, engines, module):
    stage = module.__name__.rpartition(".")[2]
    one = context_of(tmp_path / "one", model, f"stage={stage}")
    alone = module.run(one)
    assert len(engines) == 1
    two = context_of(tmp_path / "two", model, f"stage={stage}")
    metrics, others = by_two(module.run, two)
    assert others == {}
    assert metrics.keys() == alone.keys()
    assert {"draft_tokens", "acceptance_rate"} <= metrics.keys()
    for name in metrics.keys() - TIMES:
        assert metrics[name] == alone[name], name
    files = {path.relative_to(one.folder) for path in one.folder.rglob("*") if path.suffix in (".parquet", ".md", ".json")}
    assert any(path.suffix == ".parquet" for path in files)
    for path in files:
        assert (two.folder / path).read_bytes() == (one.folder / path).read_bytes()


def test_an_engine_is_opened_only_where_something_is_left_to_ask(tmp_path, model, engines):
    context = context_of(tmp_path, model, "stage=generate")
    asked = problems.read(context.config.data, context.config.paths)
    first = ask_model(context, asked)
    assert len(engines) == 1
    again = by_two(lambda each: ask_model(each, asked), context)
    assert len(engines) == 1
    assert again[1] is None
    assert again[0].stats == first.stats
    assert first.speed_metrics(2.0)["tokens_per_second"] == first.stats.completion_tokens / 2
    assert again[0].speed_metrics(2.0) == {}  # a resumed run has no speed


def test_one_process_has_the_threads_of_each_of_several(tmp_path, model, engines, monkeypatch):
    limited = []
    monkeypatch.setattr("torch.set_num_threads", limited.append)
    context = context_of(tmp_path, model, "stage=generate", "compute.threads=3")
    generate.run(context)
    assert limited == [3]
    by_two(generate.run, replace(context, folder=tmp_path / "two"))
    assert limited == [3]  # the launcher has set those of the others
    limit_threads(composed("engine=vllm"))
    assert limited == [3]


def test_engines_that_drafted_nothing_have_no_rate():
    assert engine_metrics({}) == {}
    assert engine_metrics({"draft_tokens": 0, "accepted_tokens": 0}) == {"draft_tokens": 0}
    assert engine_metrics({"draft_tokens": 8, "accepted_tokens": 2}) == {"draft_tokens": 8, "acceptance_rate": 0.25}
