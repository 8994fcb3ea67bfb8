"""A small model that has seen sums, and engines that need none."""

from collections.abc import Callable, Iterator, Sequence

import pytest
from helpers.configs import composed

from openr1.engines import Completion, Engine, Reply, Request, Sampling
from openr1.runs.stage_run import run_stage

SUMS = ["data=sums", "data.sources.sums.problems=300", "data.eval_fraction=0.2", "data.tokenizer.vocab_size=258", "scale=30k"]


@pytest.fixture(scope="session")
def student(tmp_path_factory):
    """The artifact of a model that writes answers, seldom right ones."""
    outputs = tmp_path_factory.mktemp("student") / "outputs"
    config = composed(*SUMS, "stage=sft", "budget.steps=120", "optim.batch_tokens=1024", f"paths.outputs={outputs}")
    return run_stage(config, quiet=True).artifact


@pytest.fixture
def sums(tmp_path):
    """Overrides of a run on sums under ``tmp_path``."""
    return [*SUMS, f"paths.outputs={tmp_path}/outputs"]


class ScriptedEngine(Engine):
    """Answers by a function of the problem's prompt and the number of the sample, and counts what it is asked.

    :param fails: the requests that come to nothing.
    :param breaks: after so many replies it dies, as a process that is killed does.
    """

    def __init__(
        self,
        answer: Callable[[str, int], str] = lambda prompt, i: f"<answer>{eval(prompt.removesuffix('=')) + i}</answer>",
        fails: Callable[[Request], bool] = lambda request: False,
        breaks: float = float("inf"),
    ) -> None:
        super().__init__()
        self.answer, self.fails, self.left = answer, fails, breaks
        self.asked: list[str] = []

    def _generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Reply]:
        # in another order than they are asked
        for request in sorted(requests, key=lambda request: request.id):
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
            self.asked.append(request.id)
            if self.fails(request):
                yield Reply(request.id, error="TimeoutError: no answer")
                continue
            texts = [self.answer(request.prompt, i) for i in range(request.n)]
            done = [Completion(text, "stop", len(text) + 1) for text in texts]
            yield Reply(request.id, tuple(done), prompt_tokens=len(request.prompt))


@pytest.fixture
def scripted(monkeypatch):
    """Makes stages ask a :class:`ScriptedEngine`: ``scripted(fails=...)``."""

    def use(together: bool = False, **options) -> ScriptedEngine:
        from openr1.stages import model_answers

        engine = ScriptedEngine(**options)
        monkeypatch.setattr(model_answers, "open_run_engine", lambda *options: engine)
        monkeypatch.setattr(model_answers, "depends_on_batch", lambda engine: together)
        return engine

    return use
