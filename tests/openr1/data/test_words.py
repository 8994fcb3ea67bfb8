"""The rule for words that near-duplicates, contamination and repetition share."""

# ruff: noqa: RUF001 - characters that look alike are what is tested

import json
import random
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from helpers.tables import table

from openr1.curation import decontamination, deduplication
from openr1.curation.options import Decontaminate, NearDedupe
from openr1.curation.rows import Rows
from openr1.curation.shingles import shingles
from openr1.data.words import split_words


def words(text):
    return split_words([text]).lists()[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello , “World”! It's (not) done…", "hello world it s not done"),
        ("«ça» va", "ça va"),
        ("**bold** _it_ `code` # head", "bold it code head"),
        ("well-known - or well\u2010known\u2014really", "well known or well known really"),
        ("3x+5 = 2 / 7 < x^2", "3x +5 =2 /7 <x ^2"),
        ("5-3 5 - 3 5\u22123 -4 a-b", "5 -3 5 -3 5 -3 -4 a b"),
        ("2*3 2 \u00d7 3 2\u22c53", "2 3 2 3 2 3"),
        ("1+1=", "1 +1 ="),
        ("\uff26\uff55\uff4c\uff4c \uff11\uff12\uff0b\uff13", "full 12 +3"),
        ("ﬁne ½ ²", "fine 1 /2 2"),
        ("Straße STRASSE", "strasse strasse"),
        ("won\u00adder\u200b full\ufeff", "wonder full"),
        ("\u0301lone mark", "lone mark"),
        ("求3x+5的值，Find x！", "求 3x +5 的 值 find x"),
        ("データを\uff83\uff9e", "デ ー タ を デ"),
        ("กินข้าว", "กิ น ข้ า ว"),
        ("ສະບາຍ", "ສ ະ ບ າ ຍ"),
        ("ភាសា", "ភា សា"),
        ("မြန်မာ", "မြ န် မာ"),
        ("한국어 문장", "한국어 문장"),
        ("हिन्दी में", "हिन्दी में"),
        ("?! … —", ""),
        (None, ""),
    ],
)
def test_words(text, expected):
    # as Unicode's form NFKC has the letters
    assert words(text) == unicodedata.normalize("NFKC", expected).split()


def test_words_of_texts_are_those_of_each_alone():
    rng = random.Random(0)
    letters = "aB1 \n-+=.“é求ก\u0301\u0e34\u200b\ud7a3×²\U0001f600"
    texts = ["", "a +", "b", None, " ", *("".join(rng.choices(letters, k=rng.randint(0, 9))) for _ in range(500))]
    found = split_words(texts)
    assert found.lists() == [words(text) for text in texts]
    assert len(found.starts) == len(found.ends) == len(found.values) == found.offsets[-1]
    assert (found.starts < found.ends).all()
    plain = [text for text in texts if text is None or text.isascii()]
    assert split_words(plain).lists() == [words(text) for text in plain]


def test_typing_hides_no_words():
    text = "Déjà vu: the sum “a” + 12 is what? Find it, please - now."
    typed = [
        unicodedata.normalize("NFD", text),
        text.upper(),
        text.replace("“", '"').replace("”", '"'),
        text.replace(",", " ,").replace("?", " ?"),
        text.replace(" + 12", "+12"),
        "".join(chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter for letter in text),
        text.replace(" - ", " — "),
        text.replace("sum", "s\u00adum"),
    ]
    assert all(words(one) == words(text) for one in typed)


BENCHMARK = "已知等差数列的首项为三，公差为四，求它的前二十项之和。"
TYPED = ["（题目）已知等差数列的首项为三、公差为四,求它的前二十项之和。请写", "已知 等差数列 的首项为三 公差为四"]


def test_contamination_is_found_in_texts_without_spaces_and_shown_as_it_stands(tmp_path):
    (tmp_path / "set.jsonl").write_text(json.dumps({"text": BENCHMARK}) + "\n")
    prompts = [*TYPED, "一个水池有两个进水管，单独开甲管需要六小时注满。"]
    made = table([{"prompt": prompt} for prompt in prompts])
    sets = {"zh": {"kind": "files", "path": str(tmp_path / "set.jsonl")}}
    decision = decontamination.decontaminate(Rows(made, np.arange(3)), Decontaminate(sets=sets), "key", tmp_path)
    assert decision.reasons.tolist() == ["zh", "zh", None]
    assert decision.detail(0) == "“已知等差数列的首”"
    assert decision.detail(1) == "“已知 等差数列 的首”"


def test_what_is_shown_of_contamination_are_the_words_that_match(tmp_path):
    (tmp_path / "set.jsonl").write_text(json.dumps({"text": "one two three four five six seven + 8 nine"}) + "\n")
    made = table([{"prompt": 'Now: "ONE, two, three – four (five) six/seven" is one two three four five six seven+8?'}])
    sets = {"a": {"kind": "files", "path": str(tmp_path / "set.jsonl")}}
    decision = decontamination.decontaminate(Rows(made, np.arange(1)), Decontaminate(sets=sets), "key", tmp_path)
    assert decision.detail(0) == "“one two three four five six seven+8?”"


def test_near_duplicates_are_found_in_texts_without_spaces():
    made = table([{"prompt": prompt} for prompt in (BENCHMARK * 3, BENCHMARK * 3 + "请", "一个水池有两个进水管。")])
    decision = deduplication.drop_near_duplicates(Rows(made, np.arange(3)), NearDedupe(), "key")
    assert decision.reasons.tolist() == [None, "nearly the same prompt", None]


def test_problems_that_differ_in_a_sign_are_no_duplicates():
    texts = ["What is 12 + 7 - 3?", "What is 12 - 7 + 3?", "What is 12 / 7 - 3?", "What is 12 + 7 = 3?", "What is 12 - 7 - 3?"]
    hashes = [shingles(pa.array([text]), 5)[0].tolist() for text in texts]
    assert len(set(map(tuple, hashes))) == len(texts)
