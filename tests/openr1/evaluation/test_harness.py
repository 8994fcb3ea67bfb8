"""The task of the harness, as files; ``tests/integration/test_harness.py`` runs it."""

import json
import re

import pytest
import yaml

from openr1.data.answers import FILE
from openr1.evaluation.harness import ANSWER, write_task
from openr1.system.artifacts import STARTED
from openr1.system.errors import ConfigError
from openr1.system.files import write_json

SFT = "sft-" + "a" * 16


@pytest.fixture
def evaluation(tmp_path):
    """Return a function that makes the folder of an evaluation."""

    def make(chat=False, checkpoint=SFT, **changed):
        import pyarrow as pa
        import pyarrow.parquet as pq

        model, folder = tmp_path / SFT / "model", tmp_path / ("evaluate-" + "b" * 16)
        for path in (model, folder / "data"):
            path.mkdir(parents=True, exist_ok=True)
        (model / "config.json").write_text('{"max_position_embeddings": 96}')
        data = {"chat": chat, "instruction": "Q: {prompt}\n"}
        config = {"model": {"checkpoint": checkpoint}, "data": data, "stage": {"sampling": {"max_tokens": 96}}}
        write_json(folder / STARTED, {"config": config})
        first = {"problem_id": "1", "prompt": "1+2=", "answer": "3", "kind": "exact", "prompt_tokens": 6} | changed
        second = {"problem_id": "2", "prompt": "11+2=", "answer": "13", "kind": "exact", "prompt_tokens": 9}
        pq.write_table(pa.Table.from_pylist([first, first, second]), folder / "data" / FILE)
        return folder

    return make


def test_the_task_has_each_problem_once_as_the_model_reads_it_and_room_for_the_answer(evaluation, tmp_path):
    words = write_task(evaluation(), tmp_path / "task")
    rows = [json.loads(line) for line in (tmp_path / "task" / "openr1.jsonl").read_text().splitlines()]
    assert rows == [{"prompt": "Q: 1+2=\n", "answer": "3"}, {"prompt": "Q: 11+2=\n", "answer": "13"}]
    task = yaml.safe_load((tmp_path / "task" / "openr1.yaml").read_text())
    assert task["generation_kwargs"] == {"until": [], "do_sample": False, "max_gen_toks": 96 - 9}
    assert f"pretrained={tmp_path}/{SFT}/model,dtype=float32" in words


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("<think>1+2=3</think><answer> 3 </answer>", "3"),
        ("<answer>3</answer>", "3"),
        ("<think>1+2=3</think>\n3\n", "3"),
        ("3", "3"),
        ("<think>1+2=3", None),
        ("<think>1+2=3</think><answer>3", None),
    ],
)
def test_an_answer_is_found_as_verdicts_find_it(completion, answer):
    found = [next(filter(None, groups), "") for groups in re.findall(ANSWER, completion)]
    assert next(iter(found), None) == answer


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "code"}, "evaluation: the answer to '1+2=' is no text, and"),
        ({"answer": ""}, "evaluation: the answer to '1+2=' is no text, and"),
        ({"chat": True}, "evaluation: only answers of a checkpoint, and to prompts without chat"),
        ({"checkpoint": None}, "evaluation: only answers of a checkpoint"),
    ],
)
def test_an_evaluation_that_the_harness_cannot_repeat_is_refused(evaluation, tmp_path, change, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        write_task(evaluation(**change), tmp_path / "task")


def test_a_folder_without_answers_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"^evaluation: .* holds no answers; give the folder of an artifact of "):
        write_task(tmp_path, tmp_path / "task")
