import json
from dataclasses import replace

import pytest
from helpers import data

from openr1.data.options import FilesSource, HubSource, PythonStdlibSource, TaskSource
from openr1.data.sources import MIN_PIECE, Document, split_text
from openr1.system.errors import ConfigError


@pytest.fixture
def open_source(configure):
    return lambda source: data.open_source(configure({"mine": source}))


ROWS = [{"text": f"text {i}", "q": f"question {i}", "a": f"answer {i}", "n": i} for i in range(5)]


def write(folder, form):
    import datasets
    import pyarrow
    import pyarrow.parquet

    folder.mkdir()
    if form == "parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), folder / "rows.parquet")
    elif form == "jsonl":
        (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS) + "\n")
    elif form == "saved":
        datasets.Dataset.from_list(ROWS).save_to_disk(folder)
    else:
        datasets.DatasetDict(train=datasets.Dataset.from_list(ROWS)).save_to_disk(folder)
    return folder


@pytest.mark.parametrize(
    ("form", "kind"),
    [("parquet", FilesSource), ("jsonl", FilesSource), ("jsonl", HubSource), ("saved", HubSource), ("saved splits", HubSource)],
)
def test_tables_give_text_or_prompt_and_completion(tmp_path, monkeypatch, open_source, form, kind):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    source = kind(path=str(write(tmp_path / "table", form)))
    assert list(open_source(source).documents()) == [Document(f"text {i}") for i in range(5)]
    source = replace(source, prompt="q", completion="a")
    assert list(open_source(source).documents()) == [Document(f"answer {i}", f"question {i}") for i in range(5)]
    with pytest.raises(ConfigError, match=r"data\.sources\.mine\.completion: .* no column 'b'; it has text, q, a, n"):
        list(open_source(replace(source, completion="b")).documents())
    with pytest.raises(ConfigError, match=r"data\.sources\.mine\.prompt: column 'n' .* holds int, not text"):
        list(open_source(replace(source, prompt="n")).documents())


def test_thoughts_of_a_column_stand_before_the_completion(tmp_path, open_source):
    table = FilesSource(path=str(write(tmp_path / "table", "jsonl")), prompt="q", completion="a")
    source = replace(table, reasoning="text")
    wanted = [Document(f"<think>\ntext {i}\n</think>\n\nanswer {i}", f"question {i}") for i in range(5)]
    assert list(open_source(source).documents()) == wanted
    assert open_source(source).content() != open_source(table).content()
    with pytest.raises(ConfigError, match=r"data\.sources\.mine\.reasoning: .* no column 'b'"):
        list(open_source(replace(source, reasoning="b")).documents())


def test_hub_rows_can_be_limited(tmp_path, open_source):
    source = HubSource(path=str(write(tmp_path / "table", "saved")), max_rows=2)
    assert len(list(open_source(source).documents())) == 2


def test_text_files_from_a_directory_or_a_glob(tmp_path, open_source):
    for name in ("b.txt", "a.txt", "deep/c.md", ".hidden/d.txt", "blank.txt"):
        path = tmp_path / "texts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(" \n" if name == "blank.txt" else name)
    read = [document.completion for document in open_source(FilesSource(path=str(tmp_path / "texts"))).documents()]
    assert read == ["a.txt", "b.txt", "deep/c.md"]
    read = [document.completion for document in open_source(FilesSource(path=str(tmp_path / "texts/**/*.md"))).documents()]
    assert read == ["deep/c.md"]


def test_long_text_is_cut_at_blank_lines():
    paragraphs = [f"paragraph {i} " * 50 + ("\r\n\r\n" if i % 2 else "\n\n") for i in range(200)]
    text = "".join(paragraphs)
    parts = list(split_text(text))
    assert "".join(parts) == text
    assert len(parts) > 3
    assert all(len(part) >= MIN_PIECE and part.endswith("\n") for part in parts[:-1])
    assert max(map(len, parts)) <= MIN_PIECE + max(map(len, paragraphs))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none/*.txt", None, r"data\.sources\.mine\.path: .* matches no file"),
        ("bytes.txt", b"\xff\xfe\x00", r"data\.sources\.mine\.path: .* is not UTF-8 text"),
        ("rows.jsonl", b'{"text": "a"}\n{"text":', r"data\.sources\.mine\.path: .*rows\.jsonl:2 is not JSON"),
        ("rows.jsonl", b"[1]", r"data\.sources\.mine\.path: .*rows\.jsonl:1 holds a list"),
        ("rows.jsonl", b'{"text": "\xff"}', r"data\.sources\.mine\.path: .*rows\.jsonl:1 is not JSON"),
        ("rows.parquet", b"no", r"data\.sources\.mine\.path: .* is not a Parquet file"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, open_source, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        list(open_source(FilesSource(path=str(tmp_path / name))).documents())


def test_a_hub_data_set_that_is_not_there(tmp_path, open_source, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match=r"data\.sources\.mine\.path: 'nobody/nothing' cannot be loaded") as error:
        open_source(HubSource(path="nobody/nothing")).content()
    assert "\n" not in str(error.value)
    source = open_source(HubSource(path=str(write(tmp_path / "table", "saved splits")), split="test"))
    with pytest.raises(ConfigError, match=r"data\.sources\.mine\.split: 'test' is not one of train"):
        list(source.documents())


def test_content_follows_what_the_files_hold_and_not_where_they_lie(tmp_path, open_source):
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    for folder in ("here", "there"):
        (tmp_path / folder / f"{folder}.txt").write_text("one")
    here, there = (open_source(FilesSource(path=str(tmp_path / folder))) for folder in ("here", "there"))
    assert here.content() == there.content()
    (tmp_path / "there" / "there.txt").write_text("two")
    assert here.content() != there.content()


def test_stdlib_is_the_library_alone(open_source):
    source = open_source(PythonStdlibSource())
    names = {path.name for path in source.paths()}
    assert {"argparse.py", "decoder.py", "pathlib.py"} <= names
    parts = {part for path in source.paths() for part in path.parts}
    assert not parts & {"site-packages", "test", "idlelib", "tkinter"}
    assert 5e6 < sum(len(document.completion) for document in source.documents()) < 2e7


def test_task_gives_the_share_of_reasoned_completions(open_source):
    documents = list(open_source(TaskSource(task="sums", problems=2000, reasoned=0.25)).documents())
    assert sum(document.completion.startswith("<think>") for document in documents) / 2000 == pytest.approx(0.25, abs=0.03)
    more = list(open_source(TaskSource(task="sums", problems=2000, reasoned=0.5)).documents())
    assert all(b.completion == a.completion for a, b in zip(documents, more, strict=True) if a.completion.startswith("<think>"))
