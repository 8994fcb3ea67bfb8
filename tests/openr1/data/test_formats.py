"""Files are read by their suffix, or refused with the file and the line."""

import gzip
import json

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from helpers.data import open_source

from openr1.data.options import FilesSource
from openr1.system.errors import ConfigError

ROWS = [{"text": "one", "n": 1}, {"text": "two, with “quotes”\nand a line", "n": 2}]
TEXTS = [row["text"] for row in ROWS]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
CSV = 'text,n\r\none,1\r\n"two, with “quotes”\nand a line",2\r\n'.encode()


def gz(data):
    return gzip.compress(data, mtime=0)  # the names of tests are the same in every process


def zstd(data):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


def parquet(columns=None):
    sink = pa.BufferOutputStream()
    pa.parquet.write_table(pa.table(columns) if columns else pa.Table.from_pylist(ROWS), sink)
    return sink.getvalue().to_pybytes()


@pytest.fixture
def read(tmp_path, configure):
    """The documents of files that are written; ``path`` and other options of the source may be given."""

    def read(files, **options):
        for name, content in files.items():
            path = tmp_path / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        options = {"path": next(iter(files)), **options}
        source = FilesSource(**{**options, "path": str(tmp_path / "data" / options["path"])})
        return [document.completion for document in open_source(configure({"mine": source})).documents()]

    return read


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.jsonl", LINES),
        ("ROWS.JSONL", LINES),
        ("rows.ndjson", LINES.replace(b"\n", b"\r\n")),
        ("rows.jsonl", b"\xef\xbb\xbf" + LINES + b"\n"),
        ("rows.jsonl.gz", gz(LINES[:30]) + gz(LINES[30:])),
        ("rows.JSONL.GZ", gz(LINES)),
        ("rows.jsonl.zst", zstd(LINES[:30]) + zstd(LINES[30:])),
        ("rows.json", json.dumps(ROWS)),
        ("rows.json", b"\xef\xbb\xbf" + json.dumps(ROWS, indent=2).encode()),
        ("rows.json", LINES),
        ("rows.json", "\n".join(json.dumps(row, indent=2) for row in ROWS)),
        ("rows.json.gz", gz(json.dumps(ROWS).encode())),
        ("rows.csv", CSV),
        ("rows.csv", b"\xef\xbb\xbf" + CSV),
        ("rows.csv", 'text;n\none;1\n"two, with “quotes”\nand a line";2\n'),
        ("rows.CSV.gz", gz(CSV)),
        ("rows.tsv", 'n\ttext\n1\tone\n\n2\t"two, with “quotes”\nand a line"\n'),
        ("rows.parquet", parquet()),
        ("rows.parquet.zst", zstd(parquet())),
        ("a[1].jsonl", LINES),
        ("what?*.jsonl", LINES),
    ],
)
def test_tables_are_known_by_their_suffix(read, name, content):
    assert read({name: content}) == TEXTS


def test_one_object_is_one_row(read):
    assert read({"one.json": json.dumps(ROWS[0], indent=1), "two.json": json.dumps(ROWS[1])}, path="") == TEXTS


def test_a_format_that_is_given_wins_over_the_suffix(read):
    assert read({"rows.data": LINES}, format="jsonl") == TEXTS
    assert read({"rows.txt": CSV}, format="csv") == TEXTS
    assert read({"rows.jsonl": LINES}, format="text") == [LINES.decode()]
    assert read({"rows.dat.gz": gz(b"text")}, format="text") == ["text"]


@pytest.mark.parametrize("name", ["a.txt", "B.MD", "c.py", "d.rs", "e.tex", "f.txt.gz"])
def test_text_keeps_its_line_ends_and_loses_its_byte_order_mark(read, name):
    content = b"\xef\xbb\xbfone\r\n\r\ntwo\n"
    assert read({name: gz(content) if name.endswith(".gz") else content}) == ["one\r\n\r\ntwo\n"]


def test_text_with_a_long_cell_of_csv(read):
    assert read({"rows.csv": "text\n" + "a" * 200_000}) == ["a" * 200_000]


def test_an_empty_file_beside_others_holds_nothing(read):
    for empty in ("empty.json", "empty.jsonl", "empty.csv", "empty.parquet.jsonl"):
        assert read({"rows.jsonl": LINES, empty: b""}, path="") == TEXTS


def test_hidden_files_are_left_out_unless_they_are_named(read):
    files = {".hidden.jsonl": b"no", ".cache/rows.json": b"no", "rows.jsonl": LINES}
    assert read(files, path="") == TEXTS
    assert read({".hidden.jsonl": LINES}) == TEXTS


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"rows.xlsx": b"x"}, r"format: .*rows\.xlsx has no suffix .* one of text, jsonl, json, csv, tsv, parquet, or"),
        ({"LICENSE": b"x"}, r"format: .*LICENSE has no suffix"),
        ({"page.html": b"x"}, r"format: .*page\.html has no suffix"),
        ({"rows.jsonl.bz2": b"x"}, r"format: .*rows\.jsonl\.bz2 has no suffix"),
        ({"rows.jsonl": LINES, "README.md": b"x"}, r"path: holds texts, such as .*README\.md, beside tables, .*rows\.jsonl; "),
        ({"rows.jsonl": b'{"text": "\xff"}'}, r"path: .*rows\.jsonl:1 is not JSON: it is not UTF-8 text \(byte 11\)"),
        (
            {"rows.jsonl": '{"text": "a"}\n{"text": "\\ud83d"}\n'},
            r"path: .*rows\.jsonl:2 holds half of a character \(\\ud83d\)",
        ),
        ({"rows.jsonl": '{"text": "a", "text": "b"}'}, r"path: .*rows\.jsonl:1 is not JSON: an object has 'text' twice"),
        ({"rows.jsonl": '{"text": ' + "[" * 200_000 + "]" * 200_000 + "}"}, r"path: .*rows\.jsonl:1 is nested too deeply"),
        ({"rows.json": "[" * 200_000}, r"path: .*rows\.json is nested too deeply"),
        ({"rows.json": '[{"text": "a"}, 3]'}, r"path: .*rows\.json, row 2 holds a int, not an object"),
        ({"rows.json": '[{"text": "a"},\n{"text": }]'}, r"path: .*rows\.json is not JSON: .*line 2"),
        ({"rows.json": '[{"text": "a"},\n{"text": "\\uDC00"}]'}, r"path: .*rows\.json, row 2 holds half of a character"),
        ({"rows.json": '"text"'}, r"path: .*rows\.json, row 1 holds a str, not an object"),
        ({"rows.csv": b"text,n\na,1\nb\n"}, r"path: .*rows\.csv:3 has 1 cells, its header 2"),
        ({"rows.csv": b'text\n"a\n'}, r"path: .*rows\.csv:2 is not CSV: unexpected end of data"),
        ({"rows.csv": b"text\na\n\xff\n"}, r"path: .*rows\.csv:3 is not UTF-8 text \(byte 1\)"),
        ({"rows.csv": "text\n".encode("utf-16")}, r"path: .*rows\.csv:1 is not UTF-8 text"),
        ({"rows.csv": b"text,text\na,b\n"}, r"path: .*rows\.csv names a column twice"),
        ({"rows.tsv": b"words\na\n"}, r"text: .*rows\.tsv has no column 'text'; it has words"),
        ({"a.txt": b"ab\xff"}, r"path: .*a\.txt is not UTF-8 text \(byte 3\)"),
        ({"a.txt.gz": b"no"}, r"path: .*a\.txt\.gz cannot be read: Not a gzipped file"),
        ({"rows.jsonl.gz": gz(LINES * 999)[:-99]}, r"path: .*rows\.jsonl\.gz cannot be read: Compressed file ended"),
        ({"rows.jsonl.zst": b"no zstd"}, r"path: .*rows\.jsonl\.zst cannot be read: "),
        ({"rows.parquet": b""}, r"path: .*rows\.parquet is not a Parquet file"),
        (
            {"rows.parquet": parquet({"text": pa.array([b"a", b"\xff"]).view(pa.string())})},
            r"path: .*rows\.parquet, row 2 is not UTF-8 text",
        ),
        ({"rows.parquet": parquet({"text": [b"a"]})}, r"text: column 'text' of .*rows\.parquet, row 1 holds bytes, not text"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line_with_its_place(read, files, message):
    with pytest.raises(ConfigError, match=rf"^data\.sources\.mine\.{message}") as error:
        read(files, path="" if len(files) > 1 else next(iter(files)))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("cell", [3, 0.5, True, ["a"], {"x": 1}])
@pytest.mark.parametrize("option", ["text", "prompt", "completion", "reasoning"])
def test_cells_of_another_form_are_refused_and_never_spelled(read, option, cell):
    row = {"text": "t", "prompt": "p", "completion": "c", "reasoning": "r", option: cell}
    columns = {} if option == "text" else {"prompt": "prompt", "completion": "completion", "reasoning": "reasoning"}
    message = rf"^data\.sources\.mine\.{option}: .*rows\.jsonl:2 holds"
    with pytest.raises(ConfigError, match=message) as error:
        read({"rows.jsonl": json.dumps({**row, option: "x"}) + "\n" + json.dumps(row)}, **columns)
    assert str(cell) not in str(error.value).partition("holds")[2]


def test_rows_with_an_empty_cell_are_left_out_and_counted_once(read, caplog):
    cells = ["a", None, "", float("nan"), "b"]
    assert read({"rows.jsonl": "".join(json.dumps({"text": cell}) + "\n" for cell in cells)}) == ["a", "b"]
    assert caplog.text.count("data.sources.mine: 3 of 5 rows are left out: 3 for an empty cell") == 1


def test_the_column_of_a_text_may_be_nested(read):
    rows = [{"meta": {"text": "a"}}, {"meta": {}}, {"meta": '{"text": "b"}'}]
    assert read({"rows.jsonl": "".join(json.dumps(row) + "\n" for row in rows)}, text="meta.text") == ["a", "b"]
    with pytest.raises(ConfigError, match=r"^data\.sources\.mine\.text: .*:1 has no object in column 'meta\.x\.y' before \.y"):
        read({"rows.jsonl": '{"meta": {"x": "text"}}'}, text="meta.x.y")


def test_a_prompt_without_a_completion_is_no_document(read):
    with pytest.raises(ConfigError, match=r"^data\.sources\.mine\.completion: the column of the completions is needed beside"):
        read({"rows.jsonl": LINES}, prompt="text")
