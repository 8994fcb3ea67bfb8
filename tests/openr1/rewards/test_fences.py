import time

import pytest

from openr1.rewards.fences import find_blocks
from openr1.rewards.parsing import extract_program

BODY = "for i in range(2):\n    print(i)\n"


def shifted(margin, text=BODY):
    return "".join(f"{margin}{line}\n" for line in text.splitlines())


@pytest.mark.parametrize(
    "info", ["python", "Python", "python3", "py", " python ", "{.python}", "{python}", 'python title="a.py"', "python:a.py"]
)
@pytest.mark.parametrize("fence", ["```", "````", "~~~", "~~~~~"])
def test_a_fence_names_its_language(fence, info):
    assert find_blocks(f"{fence}{info}\n{BODY}{fence}", "python") == [BODY]


@pytest.mark.parametrize("info", ["", "text", "cpp", "pythonic", "python-repl", "output", "pycon"])
def test_a_fence_of_another_language_is_no_python(info):
    assert find_blocks(f"```{info}\n{BODY}```", "python") == []


@pytest.mark.parametrize(
    "text",
    [
        f"1. The program:\n\n   ```python\n{shifted('   ')}   ```\n2. Done.",
        f"- The program:\n  ```python\n{shifted('  ')}  ```",
        f"10. ```python\n{shifted('    ')}    ```",
        f"- ```python\n{shifted('  ')}  ```",
        f"1. a\n   - b\n\n     ```python\n{shifted('     ')}     ```",
        f"\t```python\n{shifted(chr(9))}\t```",
        f"        ```python\n{shifted('        ')}        ```",
        f"> ```python\n{shifted('> ')}> ```",
        f">```python\n{shifted('>')}>```",
        f"> > ```python\n{shifted('> > ')}> > ```\n",
        f"> 1. So:\n>    ```python\n{shifted('>    ')}>    ```",
        f"   ```python\n{BODY}```",  # the fence is indented, the program is not
        f"```python\n{shifted('    ')}```",
        f"The program: ```python\n{BODY}```\nThat is it.",
        f"Use `print`: ```python\n{BODY}```",
        f"```python\n{BODY}``` This prints two lines.\n",
        f"```python\n{BODY}```<|im_end|>",
        f"```python\n{BODY}```".replace("\n", "\r\n"),
        f"````markdown\n# Answer\n```python\n{BODY}```\n````",
        f"Not closed:\n```python\nprint('a draft')\n\nBetter:\n```python\n{BODY}```",
    ],
)
def test_a_block_is_read_as_far_to_the_left_as_it_stands(text):
    assert extract_program(text) == BODY


def test_a_block_ends_with_a_fence_like_its_own():
    text = 'def f():\n    """Is used so:\n\n    ```python\n    f()\n    ```\n    """\n'
    assert extract_program(f"```python\n{text}```") == text
    assert extract_program("````python\ns = '''\n```\n'''\nprint(s)\n````") == "s = '''\n```\n'''\nprint(s)\n"
    assert extract_program("~~~python\ns = '''\n```\n'''\nprint(s)\n~~~") == "s = '''\n```\n'''\nprint(s)\n"
    assert extract_program("```python\nprint('''\n> ```\n- ```\n''')\n```") == "print('''\n> ```\n- ```\n''')\n"


@pytest.mark.parametrize(
    "text",
    [
        "```python\nprint(1)",
        "Draft:\n```python\nprint(1",
        "````python\nprint(1)\n```",
        "```python\nprint(1)\n~~~",
        "```python\n```",
        "```python\n\n\n```",
        "```python\nprint(1)\n```".replace("\n", " "),
        "Use ```python to begin and ``` to end.",
        "no program",
        "",
    ],
)
def test_what_is_cut_off_or_empty_is_no_program(text):
    assert extract_program(text) is None
    assert text == "no program" or extract_program(f"<think>t</think><answer>{text}</answer>") is None


def test_an_example_of_output_is_no_program():
    python, bare = f"```python\n{BODY}```", f"```\n{BODY}```"
    for example in ("3", "3 4\n5", "YES", "[1, 2]", "$ python main.py < in.txt"):
        for block in (python, bare):
            assert extract_program(f"{block}\nFor example:\n```\n{example}\n```") == BODY
            assert extract_program(f"Input:\n```\n{example}\n```\n{block}") == BODY
    assert extract_program(f"{bare}\nbetter:\n```\nprint(7)\n```") == "print(7)\n"
    assert extract_program("```\nprint(1\n```") == "print(1\n"


def test_a_whole_answer_may_be_an_indented_program():
    assert extract_program(f"<think>t</think><answer>\n{shifted('    ')}</answer>").strip() == BODY.strip()
    assert extract_program(f"<answer>\n{shifted(chr(9))}\n</answer>").strip() == BODY.strip()
    assert extract_program(f"<answer>\n{BODY}</answer>").strip() == BODY.strip()


@pytest.mark.parametrize(
    "text", ["> " * 50_000, "- " * 50_000, " " * 100_000 + "x", "1. " * 30_000 + "```", "a ` " * 30_000, "```\n" * 30_000]
)
def test_no_text_takes_long(text):
    start = time.perf_counter()
    extract_program(text)
    find_blocks(f"> ```python\n{text}\n", "python")
    assert time.perf_counter() - start < 2
