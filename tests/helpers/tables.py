"""Tables of generated samples: explicit rows, or synthetic ones."""

import random

import datasets
import pyarrow as pa

from openr1.data.answers import answer_schema

DEFAULTS = {"sample": 0, "prompt": "what is it?", "completion": "", "answer": "1", "kind": "exact", "tests": [], "task": "sums"}
DEFAULTS |= {"difficulty": None, "tokens": None, "finished": True, "error": None}
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def table(rows):
    """Build a table from rows with only the relevant columns; each row is a problem of its own unless it gives an id."""
    rows = [{"problem_id": f"p{number}", **DEFAULTS, **row} for number, row in enumerate(rows)]
    fields = [field for field in answer_schema() if any(field.name in row for row in rows)]
    return datasets.Dataset(pa.Table.from_pylist(rows, schema=pa.schema(fields)))


def words(rng, count, vocabulary=5000):
    return [
        "".join(LETTERS[(number // 26**place) % 26] for place in range(3)) for number in rng.choices(range(vocabulary), k=count)
    ]


def synthetic(problems=200, samples=4, prompt=60, completion=150, seed=0):
    """Build a table of synthetic problems, and the problems of an evaluation set.

    2 % of the problems have another's prompt with different white space, 2 % one that differs in its last word, and 1 % contain
    eight words of an evaluation problem. 60 % of the samples are right, and 5 % repeat the previous one.
    """
    rng = random.Random(seed)
    evaluation = [" ".join(words(rng, prompt)) for _ in range(100)]
    prompts, rows = [], []
    for number in range(problems):
        text, chance = words(rng, prompt), rng.random()
        if number and chance < 0.02:
            text = [rng.choice(prompts), ""]
        elif number and chance < 0.04:
            text = [*rng.choice(prompts).split()[:-1], "changed"]
        elif chance < 0.05:
            text[3:11] = rng.choice(evaluation).split()[20:28]
        prompts.append(" ".join(text))
        answer = str(rng.randrange(1000))
        for sample in range(samples):
            if sample and rng.random() < 0.05:
                rows.append({**rows[-1], "sample": sample})
                continue
            thought = " ".join(words(rng, rng.randint(completion // 2, completion * 3 // 2)))
            reply = answer if rng.random() < 0.6 else "wrong"
            row = {
                "problem_id": f"{number:016x}",
                "sample": sample,
                "prompt": prompts[-1],
                "answer": answer,
                "task": f"task{number % 3}",
            }
            row |= {
                "completion": f"<think>{thought}</think><answer>{reply}</answer>",
                "tokens": len(thought),
                "difficulty": number % 5,
            }
            rows.append(row)
    return table(rows), evaluation


def exact(samples):
    """Verify samples by the exact text between the answer tags."""
    return [sample.completion.partition("<answer>")[2].partition("</answer>")[0] == sample.problem.answer for sample in samples]
