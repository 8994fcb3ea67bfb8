import json
import random

import numpy as np
import pyarrow as pa
import pytest
from helpers.tables import table, words

from openr1.curation import decontamination, deduplication
from openr1.curation.options import Decontaminate, ExactDedupe, NearDedupe
from openr1.curation.rows import Rows
from openr1.curation.shingles import shingles
from openr1.system.errors import ConfigError


def rows_of(rows):
    made = table(rows)
    return Rows(made, np.arange(len(made)))


def grams(text, n):
    split = text.lower().split()
    return [tuple(split[i : i + n]) for i in range(len(split) - n + 1)] or ([tuple(split)] if split else [])


def jaccard(one, other, n):
    a, b = set(grams(one, n)), set(grams(other, n))
    return len(a & b) / len(a | b)


@pytest.mark.parametrize("n", [1, 3, 8, 50])
def test_shingles_are_equal_where_the_words_are(n):
    rng = random.Random(0)
    made = [" ".join(rng.choices("abCD", k=rng.randint(0, 12))) for _ in range(300)]
    texts = ["", " \n", "a", "A  b", "a b c", " a\tb c d ", *made, ""]
    hashes, starts = shingles(pa.chunked_array([texts[:50], texts[50:]]), n)
    found = {}
    for i, text in enumerate(texts):
        mine = hashes[starts[i] : starts[i + 1]].tolist()
        for gram, value in zip(grams(text, n), mine, strict=True):
            assert found.setdefault(gram, value) == value
    assert len(set(found.values())) == len(found)
    # the hash is of the words alone, on every machine
    assert shingles(pa.array(["a B c"]), 3)[0].tolist() == [5003352876976120233]


def test_no_texts_and_texts_that_are_null_have_no_shingles():
    for texts in ([], [None, ""]):
        hashes, starts = shingles(pa.array(texts, pa.string()), 5)
        assert len(hashes) == 0
        assert starts.tolist() == [0] * (len(texts) + 1)


SAME = [("a", "One  two"), ("a", "one two\n"), ("a", "one, two"), ("b", "one two"), ("b", "three"), ("b", "three")]


def test_equal_completions_are_dropped_within_a_problem_or_everywhere():
    rows = rows_of([{"problem_id": name, "sample": i, "completion": text} for i, (name, text) in enumerate(SAME)])
    decision = deduplication.drop_duplicates(rows, ExactDedupe(), "key")
    assert decision.reasons.tolist() == [None, "the same completion", None, None, None, "the same completion"]
    assert decision.detail(5) == "as b/4"
    everywhere = deduplication.drop_duplicates(rows, ExactDedupe(within="all"), "key")
    assert np.flatnonzero(everywhere.reasons).tolist() == [1, 3, 5]
    assert everywhere.detail(3) == "as a/0"


def test_what_is_null_is_equal_to_nothing():
    texts = [None, "", None, ""]
    rows = rows_of([{"problem_id": "p", "sample": i, "completion": text} for i, text in enumerate(texts)])
    assert np.flatnonzero(deduplication.drop_duplicates(rows, ExactDedupe(), "key").reasons).tolist() == [3]
    rows = rows_of([{"prompt": text} for text in texts])
    assert np.flatnonzero(deduplication.drop_duplicates(rows, ExactDedupe(of="prompt"), "key").reasons).tolist() == [3]
    assert not any(deduplication.drop_near_duplicates(rows, NearDedupe(), "key").reasons)


@pytest.mark.parametrize(
    ("function", "options"), [(deduplication.drop_duplicates, ExactDedupe), (deduplication.drop_near_duplicates, NearDedupe)]
)
def test_a_problem_with_the_prompt_of_another_goes_whole(function, options):
    prompts = {"a": "add one and two", "b": "Add one  and two", "c": "add one and three"}
    rows = rows_of([{"problem_id": name, "prompt": prompts[name]} for name in "ccabab"])
    decision = function(rows, options(of="prompt"), "key")
    assert np.flatnonzero(decision.reasons).tolist() == [3, 5]
    assert decision.detail(5).split(",")[0].endswith(" a")


def near_texts(seed=0):
    """Groups of a text and copies of it, of which ever more words are replaced."""
    rng = random.Random(seed)
    texts = []
    for _ in range(60):
        text = words(rng, 80)
        texts.append(" ".join(text))
        for changes in (1, 2, 4, 8):
            copy = list(text)
            for place in rng.sample(range(80), changes):
                copy[place] = "new"
            texts.append(" ".join(copy))
    order = list(range(len(texts)))
    rng.shuffle(order)
    return [texts[i] for i in order]


@pytest.mark.parametrize("threshold", [0.5, 0.8])
def test_near_duplicates_are_those_of_jaccard(threshold):
    texts = near_texts()
    rows = rows_of([{"prompt": text} for text in texts])
    options = NearDedupe(threshold=threshold, permutations=512)
    decision = deduplication.drop_near_duplicates(rows, options, "key")
    dropped = np.not_equal(decision.reasons, None)
    # one by one, by exact similarity: the estimate may only differ near the threshold
    kept, wrong = [], 0
    for text, gone in zip(texts, dropped, strict=True):
        closest = max((jaccard(text, other, 5) for other in kept), default=0)
        if gone != (closest >= threshold):
            assert abs(closest - threshold) < 0.1
            wrong += 1
        if not gone:
            kept.append(text)
    assert wrong < 0.1 * len(texts)
    assert 60 <= len(kept) < 0.8 * len(texts)
    place = int(np.flatnonzero(dropped)[0])
    name, similarity = decision.detail(place).removeprefix("like ").split(", similarity ")
    exact = jaccard(texts[place], texts[int(name.removeprefix("p"))], 5)
    assert float(similarity) == pytest.approx(exact, abs=0.1)


def test_near_duplicates_of_one_text_leave_the_one_that_is_asked_for():
    base = " ".join(words(random.Random(1), 100))
    rows = rows_of([{"prompt": text} for text in (f"{base} ab", base, f"{base} abc abc", "another prompt", "")])
    for keep, expected in (("first", [1, 2]), ("shortest", [0, 2]), ("longest", [0, 1])):
        decision = deduplication.drop_near_duplicates(rows, NearDedupe(keep=keep), "key")
        assert np.flatnonzero(decision.reasons).tolist() == expected


def test_near_duplicates_of_completions_are_of_one_problem():
    base = " ".join(words(random.Random(2), 100))
    given = [{"problem_id": name, "completion": f"{base} {i}"} for i, name in enumerate("abab")]
    rows = rows_of(given + [{"problem_id": "a", "completion": None}] * 2)
    decision = deduplication.drop_near_duplicates(rows, NearDedupe(of="completion"), "key")
    assert decision.reasons.tolist() == [None, None, *["nearly the same completion"] * 2, None, None]
    everywhere = deduplication.drop_near_duplicates(rows, NearDedupe(of="completion", within="all"), "key")
    assert np.flatnonzero(everywhere.reasons).tolist() == [1, 2, 3]


def test_a_chain_of_near_duplicates_is_not_dropped_whole():
    """a is like b and b like c, but a not like c: c is dropped only where b is kept."""
    text = words(random.Random(3), 100)
    chain = [" ".join([*text[i * 7 :], *(f"end{n}" for n in range(i * 7))]) for i in range(3)]
    assert jaccard(chain[0], chain[1], 5) > 0.8 > 0.75 > jaccard(chain[0], chain[2], 5)
    decision = deduplication.drop_near_duplicates(
        rows_of([{"prompt": text} for text in chain]), NearDedupe(permutations=512), "key"
    )
    assert np.flatnonzero(decision.reasons).tolist() == [1]


def test_minhash_estimates_jaccard_without_bias():
    rng = random.Random(4)
    pairs = []
    for share in (0.2, 0.5, 0.9):
        for _ in range(100):
            shared, own = round(200 * share), round(200 * (1 - share))
            common, one, other = (words(rng, count, 17_000) for count in (shared, own, own))
            pairs.append((share, " ".join(common + one), " ".join(common + other)))
    texts = [text for _, *two in pairs for text in two]
    signatures = deduplication.minhash(*shingles(pa.array(texts), 1), 128, seed=0)
    estimates = (signatures[::2] == signatures[1::2]).mean(axis=1)
    exact = np.array([jaccard(one, other, 1) for _, one, other in pairs])
    errors = estimates - exact
    assert abs(errors.mean()) < 3 * np.sqrt((exact * (1 - exact) / 128).mean() / len(errors))
    assert errors.std() == pytest.approx(np.sqrt((exact * (1 - exact)).mean() / 128), rel=0.15)
    assert not np.array_equal(signatures, deduplication.minhash(*shingles(pa.array(texts), 1), 128, seed=1))


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8, 0.95, 1.0])
def test_bands_find_the_pairs_at_the_threshold_and_are_not_shorter_than_that_takes(threshold):
    def recall(size):
        return 1 - (1 - threshold**size) ** (128 // size)

    size = deduplication.band_rows(threshold, 128)
    assert recall(size) >= 0.98
    assert size == 128 or recall(size + 1) < 0.98


EVALUATION = {
    "aime": ["Find the remainder when the sum of all positive divisors of this number is divided by ten.", "What is 2+2?"],
    "math": [
        "Find the remainder when the sum of all primes below a hundred is taken.",
        "How many ways are there for you?",
    ],
}


@pytest.fixture
def sets(tmp_path):
    for name, texts in EVALUATION.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps({"problem": text}) + "\n" for text in texts))
    return {name: {"kind": "files", "path": str(tmp_path / f"{name}.jsonl"), "text": "problem"} for name in EVALUATION}


def leaks(tmp_path, sets, prompts, **options):
    rows = rows_of([{"problem_id": f"p{i // 2}", "sample": i % 2, "prompt": prompts[i // 2]} for i in range(2 * len(prompts))])
    decision = decontamination.decontaminate(rows, Decontaminate(sets=sets, **options), "key", tmp_path)
    assert decision.reasons[::2].tolist() == decision.reasons[1::2].tolist()
    return decision.reasons[::2].tolist(), decision


def test_problems_that_share_eight_words_with_an_evaluation_set_are_dropped_by_its_name(tmp_path, sets):
    prompts = [
        "Now, the sum of all positive DIVISORS of  this\nnumber is odd.",  # eight words of one set
        "Sum of all positive divisors of this is odd.",  # seven
        "find the remainder when the sum of all of them is taken",  # in both sets
        "what is 2+2?",  # a short problem, whole
        "what is 2+2? Explain.",
        "",
    ]
    reasons, decision = leaks(tmp_path, sets, prompts)
    assert reasons == ["aime", None, "aime, math", "aime", None, None]
    assert decision.detail(0) == "“the sum of all positive divisors of this”"
    assert decision.detail(7) == "“what is 2+2?”"
    assert decision.notes == {"aime": "2 problems, 11 n-grams of 8 words", "math": "2 problems, 8 n-grams of 8 words"}
    reasons, _ = leaks(tmp_path, sets, prompts, words=7)
    assert reasons[1] == "aime"


def test_n_grams_that_many_evaluation_problems_share_can_be_left_out(tmp_path, sets):
    phrase = "find the value of m plus n in it"
    (tmp_path / "aime.jsonl").write_text("".join(json.dumps({"problem": f"{text} {phrase}"}) + "\n" for text in "abc"))
    prompts = ["find the value of m plus n in it", "b find the value of m plus n now"]
    assert leaks(tmp_path, sets, prompts)[0] == ["aime", "aime"]
    assert leaks(tmp_path, sets, prompts, common=2)[0] == [None, "aime"]
    assert leaks(tmp_path, sets, prompts, common=3)[0] == ["aime", "aime"]
    # a problem that repeats itself counts once
    (tmp_path / "aime.jsonl").write_text(json.dumps({"problem": f"{phrase} {phrase}"}) + "\n")
    assert leaks(tmp_path, sets, prompts, common=1)[0] == ["aime", None]


def test_evaluation_sets_from_a_saved_data_set_and_what_they_hold(tmp_path, sets):
    import datasets

    datasets.Dataset.from_list([{"q": "one two three four five six seven eight"}]).save_to_disk(tmp_path / "saved")
    sets = {"saved": {"kind": "hub", "path": str(tmp_path / "saved"), "text": "q"}}
    assert leaks(tmp_path, sets, ["zero one two three four five six seven eight"])[0] == ["saved"]
    options = Decontaminate(sets=sets)
    before = decontamination.set_contents(options, "key", tmp_path)
    assert json.loads(json.dumps(before)) == before
    datasets.Dataset.from_list([{"q": "another"}]).save_to_disk(tmp_path / "other")
    sets["saved"]["path"] = str(tmp_path / "other")
    assert decontamination.set_contents(options, "key", tmp_path) != before
    sets["saved"]["text"] = "problem"
    with pytest.raises(ConfigError, match=r"key\.sets\.saved\.text: .* has no column 'problem'; it has q"):
        leaks(tmp_path, sets, ["one"])
