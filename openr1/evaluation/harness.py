"""Export of the problems of an evaluation as a task of EleutherAI's lm-evaluation-harness, for a comparison of both.

``python -m openr1.evaluation.harness outputs/artifacts/evaluate-FINGERPRINT FOLDER`` writes the task, and prints the command
that runs it on the same checkpoint, which is a folder that transformers loads. Neither needs the harness itself.
"""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path
from typing import Any

import yaml

from openr1.data.answers import FILE, read_answers
from openr1.options.guard import guarded
from openr1.system.artifacts import NAME, STARTED
from openr1.system.errors import ConfigError
from openr1.system.records import read_json

TASK = "openr1"
# the text in the tags of an answer, or without them all text after the thoughts, as verdicts read it
ANSWER = r"(?s)<answer>\s*(.*?)\s*</answer>|\A(?:.*</think>)?\s*([^<]*?)\s*\Z"


def write_task(evaluation: Path, folder: Path) -> list[str]:
    """Write the task of an evaluation's problems: ``openr1.yaml`` and ``openr1.jsonl``.

    :param evaluation: folder of an artifact of ``stage=evaluate``.
    :returns: the words of the command that runs the task on the checkpoint that was evaluated.
    :raises ConfigError: for an evaluation that the harness cannot repeat.
    """
    if not (evaluation / "data" / FILE).exists() or not (evaluation / STARTED).exists():
        raise ConfigError(f"evaluation: {evaluation} holds no answers; give the folder of an artifact of stage=evaluate")
    config = read_json(evaluation / STARTED)["config"]
    checkpoint, data = config["model"]["checkpoint"], config["data"]
    if not checkpoint or data["chat"]:
        raise ConfigError("evaluation: only answers of a checkpoint, and to prompts without chat, can be compared")
    problems = {row["problem_id"]: row for row in read_answers(evaluation)}
    for row in problems.values():
        if row["kind"] == "code" or not row["answer"]:
            raise ConfigError(f"evaluation: the answer to {row['prompt'][:40]!r} is no text, and the harness compares texts")
    folder.mkdir(parents=True, exist_ok=True)
    table = folder.absolute() / f"{TASK}.jsonl"
    prompts = [(data["instruction"].replace("{prompt}", row["prompt"]), row["answer"]) for row in problems.values()]
    table.write_text("".join(json.dumps({"prompt": prompt, "answer": answer}) + "\n" for prompt, answer in prompts))
    model = evaluation.absolute().parent / checkpoint / "model" if NAME.fullmatch(checkpoint) else Path(checkpoint)
    longest = max(row["prompt_tokens"] or 0 for row in problems.values())
    tokens = _room(model, config["stage"]["sampling"]["max_tokens"], longest)
    (folder / f"{TASK}.yaml").write_text(yaml.safe_dump(_task(table, tokens), sort_keys=False))
    words = ["lm_eval", "--model", "hf", "--model_args", f"pretrained={model},dtype=float32", "--tasks", TASK]
    return [*words, "--include_path", str(folder.absolute()), "--batch_size", "128"]


def _room(model: Path, most: int, prompt: int) -> int:
    """Return the tokens of an answer: the harness cuts the beginning of a prompt where both exceed the model's context."""
    path = model / "config.json"
    positions = json.loads(path.read_text()).get("max_position_embeddings") if path.exists() else None
    return min(most, positions - prompt) if positions else most


def _task(table: Path, tokens: int) -> dict[str, Any]:
    return {
        "task": TASK,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(table)}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "{{prompt}}",
        "doc_to_target": "{{answer}}",
        "target_delimiter": "",
        "generation_kwargs": {"until": [], "do_sample": False, "max_gen_toks": tokens},
        "filter_list": [
            {"name": "answer", "filter": [{"function": "regex", "regex_pattern": ANSWER}, {"function": "take_first"}]}
        ],
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    }


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m openr1.evaluation.harness", description=__doc__.partition("\n")[0])
    parser.add_argument("evaluation", type=Path, help="folder of an artifact of stage=evaluate")
    parser.add_argument("folder", type=Path, help="folder for the task")
    args = parser.parse_args()
    guarded(lambda: print(shlex.join(write_task(args.evaluation, args.folder))))


if __name__ == "__main__":
    main()
