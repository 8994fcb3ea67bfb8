import bz2
import gzip
import io
import json
import lzma
import sys
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from openr1.analysis.sources.columns import Columns, Units
from openr1.analysis.sources.frame import FileRuns, read
from openr1.analysis.sources.readers import read_file
from openr1.system.errors import ConfigError

PLAIN = pd.DataFrame({"N": [2e7, 3e8], "D": [1e9, 4e9], "loss": [3.57, 3.1]})
NEEDS = ("N", "D", "loss")


@pytest.fixture
def runs(tmp_path):
    """Return a function that writes a file and reads its runs."""

    def read_content(name, content, **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read(FileRuns(path=str(path), **options), NEEDS)

    return read_content


def is_plain(runs):
    return np.allclose(runs.frame[["N", "D", "loss"]], PLAIN)


GERMAN = "N;D;loss\n20.000.000;1.000.000.000;3,57\n300.000.000;4.000.000.000;3,1\n"
SEMICOLONS = "the file is read with semicolons between its columns and decimal commas"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("N;D;loss\n20000000;1e9;3,57\n300000000;4e9;3,1\n", SEMICOLONS),
        (GERMAN, SEMICOLONS),
        ("\ufeff" + GERMAN, SEMICOLONS),
        ("sep=;\n" + GERMAN, SEMICOLONS),
        (GERMAN.replace(".", " "), SEMICOLONS),
        (GERMAN.replace("\n", "\r\n"), SEMICOLONS),
        (GERMAN.encode("utf-16"), SEMICOLONS),
        (GERMAN.replace(";", "\t"), "the file is read with tabs between its columns and decimal commas"),
        ("N\tD\tloss\n2e7\t1e9\t3.57\n3e8\t4e9\t3.1\n", "the file is read with tabs between its columns"),
        ("N|D|loss\n2e7|1e9|3.57\n3e8|4e9|3.1\n", "the file is read with pipes between its columns"),
        ("N  D loss\n2e7 1e9 3.57\n3e8 4e9  3.1\n", "the file is read with white space between its columns"),
        ('N,D,loss\n"20,000,000",1e9,3.57\n"300,000,000",4e9,3.1\n', "N: 2 values such as 20,000,000 are read as 20 million"),
        ('N,D,loss\n2e7,1e9,"3,57"\n3e8,4e9,"3,1"\n', "loss: 2 values such as 3,57 are read as 3.57"),
        (" N , D,loss\n2e7, 1e9, 3.57\n3e8, 4e9, 3.1\n", None),
        ("N,D,loss,\n2e7,1e9,3.57,\n3e8,4e9,3.1,\n", None),
        ("N,D,loss\na,2e7,1e9,3.57\nb,3e8,4e9,3.1\n", None),
        (
            "N,D,loss,gr\xf6\xdfe\n2e7,1e9,3.57,\xfc\n3e8,4e9,3.1,\xe4\n".encode("cp1252"),
            "the file is not in UTF-8, and is read",
        ),
    ],
)
def test_text_is_read_in_the_way_that_it_is_written(runs, text, said):
    found = runs("points.csv", text, format="csv")
    assert is_plain(found)
    assert [line.startswith(said) for line in found.warnings] == [True] if said else found.warnings == []


@pytest.mark.parametrize("mark", [";", "\t"])
def test_a_point_between_semicolons_or_tabs_may_stand_between_thousands(runs, mark):
    text = "N;D;loss\n21.100;7898749282;3,5\n31.355;5315464019;3,4\n".replace(";", mark)
    assert runs("points.csv", text).frame["N"].tolist() == [21100, 31355]
    with pytest.raises(
        ConfigError, match=r"^runs\.columns\.N: '21\.100' .*; write runs\.decimal=point or runs\.decimal=comma$"
    ):
        runs("points.csv", text.replace("3,5", "3,500").replace("3,4", "3,400"))
    found = runs("points.csv", text.replace(",", "."), decimal="point", units=Units(N="1e6"))
    assert np.allclose(found.frame["N"], [21.1e6, 31.355e6])


def test_the_marks_may_be_named(runs):
    three = "N;D;loss\n20000000;1000000000;3.570\n300000000;4000000000;3.100\n"
    with pytest.raises(ConfigError, match=r"^runs\.columns\.loss: '3\.570'"):
        runs("points.csv", three)
    for options in ({"decimal": "point"}, {"decimal": "."}, {"thousands": "comma"}):
        assert is_plain(runs("points.csv", three, **options))
    with pytest.raises(ConfigError, match=r"^runs\.thousands: must differ from runs\.decimal"):
        runs("points.csv", three, decimal="point", thousands=".")


def test_a_separator_that_is_not_certain_is_asked_for(runs):
    text = "a|b,N\nx|y,3\n"
    with pytest.raises(ConfigError, match=r"^runs\.separator: .*; write runs\.separator=comma or runs\.separator=pipe$"):
        runs("points.csv", text)
    both = "N;D;loss,note\n2e7;1e9;3.57,a\n3e8;4e9;3.1,b\n"
    with pytest.raises(ConfigError, match=r"^runs\.separator: "):
        runs("points.csv", both)


def test_rows_with_more_columns_than_the_header_are_refused(runs):
    with pytest.raises(ConfigError, match=r"runs\.path: .* row 1 has 4 columns, and the header has 3"):
        runs("points.csv", "N,D,loss\n2e7,1e9,3.57\n3e8,4e9,3.1,5\n")


def compress_zstandard(content):
    buffer = pa.BufferOutputStream()
    with pa.CompressedOutputStream(buffer, "zstd") as stream:
        stream.write(content)
    return buffer.getvalue().to_pybytes()


COMPRESSIONS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": compress_zstandard}


@pytest.mark.parametrize("suffix", COMPRESSIONS)
def test_compressed_files_are_read(runs, suffix):
    compressed = COMPRESSIONS[suffix](PLAIN.to_csv(index=False).encode())
    assert is_plain(runs(f"points.csv.{suffix}", compressed))
    with pytest.raises(ConfigError, match=r"^runs\.path: .* is damaged "):
        runs(f"points.csv.{suffix}", compressed[:-8])
    assert FileRuns(path=f"some/points.csv.{suffix}").study == "points"


RECORDS = PLAIN.to_dict("records")


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(map(json.dumps, RECORDS)) + "\n",
        json.dumps(RECORDS),
        json.dumps(RECORDS, indent=2),
        PLAIN.to_json(),
        json.dumps(PLAIN.to_dict("list")),
        json.dumps({"a": RECORDS[0], "b": RECORDS[1]}),
        json.dumps({"version": 1, "runs": RECORDS}),
    ],
)
def test_json_is_read_in_each_of_its_shapes(runs, text):
    assert is_plain(runs("points.json", text))
    found = runs("points.csv", text, format="csv")
    assert is_plain(found)
    assert found.warnings[0].endswith(", not CSV, and is read as such")


def test_records_within_records_have_names_with_dots(runs):
    text = json.dumps([{"config": {"N": row["N"]}, "D": row["D"], "loss": row["loss"]} for row in RECORDS])
    assert is_plain(runs("points.json", text, columns=Columns(N="config.N")))


@pytest.mark.parametrize("text", ["[1, 2]", "{bad", '{"N": 1}\n{"N":}\n', '{"a": 1}\n[2]\n'])
def test_json_that_is_no_table_is_refused(runs, text):
    with pytest.raises(ConfigError, match=r"^runs\.path: .* is not a JSON"):
        runs("points.json", text)


def written(write, frame=PLAIN):
    buffer = io.BytesIO()
    write(frame, buffer)
    return buffer.getvalue()


def test_the_index_of_a_parquet_file_becomes_columns(runs):
    assert is_plain(runs("points.parquet", written(pd.DataFrame.to_parquet, PLAIN.set_index(["N", "D"]))))
    assert is_plain(runs("points.parquet", written(pd.DataFrame.to_parquet, PLAIN.set_index(pd.Index([4, 7])))))


def test_binary_tables_are_told_by_their_content(runs):
    assert is_plain(runs("points", written(pd.DataFrame.to_feather)))
    found = runs("points.csv", written(pd.DataFrame.to_parquet), format="csv")
    assert is_plain(found)
    assert found.warnings == ["points.csv is Parquet, not CSV, and is read as such"]
    with pytest.raises(ConfigError, match=r"is not a Parquet file"):
        runs("points.parquet", written(pd.DataFrame.to_parquet)[:-9])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xd0\xcf\x11\xe0abc", "is an old Excel file; save it as .xlsx or .csv"),
        (b"", "is not a CSV file"),
        (b"\n\n", "is not a CSV file"),
        (b"N,D\0,loss\n1,2,3\n", "is not a CSV file: it is no text"),
        (b"N,D,loss\n", "the table has no rows below its header"),
    ],
)
def test_what_is_no_table_is_refused(runs, content, message):
    with pytest.raises(ConfigError, match=message):
        runs("points", content)


def test_excel_is_read(runs):
    pytest.importorskip("openpyxl")
    workbook = io.BytesIO()
    with pd.ExcelWriter(workbook, engine="openpyxl") as writer:
        PLAIN.to_excel(writer, sheet_name="Runs", index=False, startrow=2, startcol=1)
        PLAIN.assign(loss=2.0).to_excel(writer, sheet_name="Other", index=False)
    found = runs("points.xlsx", workbook.getvalue())
    assert is_plain(found)
    assert found.warnings == ["the first of 2 sheets, 'Runs', is read; runs.sheet names another"]
    assert runs("points.xlsx", workbook.getvalue(), sheet="Other").frame["loss"].tolist() == [2.0, 2.0]
    with pytest.raises(ConfigError, match=r"^runs\.sheet: there is no sheet 'None'; there are Runs, Other"):
        runs("points.xlsx", workbook.getvalue(), sheet="None")
    text = written(lambda frame, buffer: frame.to_excel(buffer, index=False), PLAIN.assign(N=["20M", "0.3B"]))
    assert is_plain(runs("points.xlsx", text))


def test_excel_without_its_package_says_what_to_install(runs, monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(ConfigError, match=r"^runs\.path: Excel files need openpyxl: pip install 'openr1\[excel\]'$"):
        runs("points.xlsx", b"PK\x03\x04 a workbook")


def test_a_table_without_a_header_is_named(table, tmp_path):
    table().to_csv(tmp_path / "points.csv", index=False, header=False)
    with pytest.raises(ConfigError, match=r"^N: the table has no header row, since its first row is of numbers \("):
        read_file(tmp_path / "points.csv", needs=["N", "D"])


def test_a_sheet_without_the_quantities_names_the_others(table, tmp_path):
    with pd.ExcelWriter(tmp_path / "points.xlsx") as book:
        pd.DataFrame({"about": ["x"], "who": ["y"]}).to_excel(book, sheet_name="Notes", index=False)
        table().to_excel(book, sheet_name="Runs", index=False)
    with pytest.raises(ConfigError, match=r"^sheet: the sheet has no column of N, D; there are also Runs$"):
        read_file(tmp_path / "points.xlsx", needs=["N", "D"])
    with pytest.raises(
        ConfigError, match=r"^N: there is no column 'n'; there are about, who; sheet names another sheet: Runs$"
    ):
        read_file(tmp_path / "points.xlsx", N="n")
    assert len(read_file(tmp_path / "points.xlsx", sheet="Runs", needs=["N", "D"]).frame) == 25


@pytest.mark.parametrize("option", ["sheet", "separator"])
def test_an_option_of_another_format_is_refused(table, tmp_path, option):
    path = tmp_path / "points"
    if option == "sheet":
        table().to_csv(path, index=False)
    else:
        table().to_parquet(path)
    with pytest.raises(ConfigError, match=f"^{option}: points is (CSV|Parquet), which has no {option}s; leave it out"):
        read_file(path, **{option: "|"})


ROWS = "N,D,loss\n20000000,1000000000,3.5\n30000000,3000000000,3.25\n40000000,4000000000,3.125\n"


def read_rows(tmp_path, text, name="points.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_file(path)


@pytest.mark.parametrize(
    ("above", "said"),
    [
        ("# runs\n", "the line '# runs' above the header is left out"),
        ("# runs, of the study, made\n#\n\n", "2 lines above the header are left out"),
        ("// note\n", "the line '// note' above the header is left out"),
        ("Results of our study\n\n", "the line 'Results of our study' above the header is left out"),
    ],
)
def test_comments_and_titles_above_the_header_are_left_out(tmp_path, above, said):
    for text in (above + ROWS, "\ufeff" + above + ROWS):
        runs = read_rows(tmp_path, text)
        assert runs.frame["N"].tolist() == [2e7, 3e7, 4e7]
        assert runs.warnings == [said]


def test_a_title_above_semicolons_and_decimal_commas_is_left_out(tmp_path):
    text = "Unsere Läufe;;\n" + ROWS.replace(",", ";").replace(".", ",")
    runs = read_rows(tmp_path, text)
    assert runs.frame["loss"].tolist() == [3.5, 3.25, 3.125]
    assert runs.warnings == [
        "the line 'Unsere Läufe;;' above the header is left out",
        "the file is read with semicolons between its columns and decimal commas",
    ]


def test_a_header_in_a_comment_is_the_header(tmp_path):
    assert read_rows(tmp_path, "# made by x\n# " + ROWS).frame["N"].tolist() == [2e7, 3e7, 4e7]
    # the name of a column may begin so
    path = tmp_path / "hash.csv"
    path.write_text("#" + ROWS)
    assert read_file(path, N="#N").frame["N"].tolist() == [2e7, 3e7, 4e7]


def test_comments_above_json_lines_are_left_out(tmp_path):
    records = [{"N": 2e7, "D": 1e9, "loss": 3.5}, {"N": 3e7, "D": 2e9, "loss": 3.25}]
    assert len(read_rows(tmp_path, "# runs\n" + "\n".join(map(json.dumps, records)), "points.jsonl").frame) == 2


def test_a_table_in_a_zip_archive_is_read(tmp_path):
    for names in (["points.csv"], ["a.csv", "b.csv"]):
        with zipfile.ZipFile(tmp_path / "points.zip", "w") as archive:
            for name in names:
                archive.writestr(name, ROWS)
        if len(names) == 1:
            assert len(read_file(tmp_path / "points.zip").frame) == 3
        else:
            with pytest.raises(
                ConfigError, match=r"^path: .*points\.zip is a ZIP archive of 2 files; unpack it, and give one$"
            ):
                read_file(tmp_path / "points.zip")


def test_columns_and_rows_of_pandas_are_read(tmp_path):
    frame = pd.DataFrame({"N": [2e7, 3e7], "D": [1e9, 2e9], "loss": [3.5, 3.25]})
    assert read_rows(tmp_path, frame.to_json(orient="split"), "points.json").frame["N"].tolist() == [2e7, 3e7]


def test_empty_tables_are_refused_in_words(tmp_path):
    for text, words in (
        ("", "is not a CSV file: it is empty"),
        (" \n\n", "it is empty"),
        ("N,D,loss\n", "has no rows below its"),
    ):
        with pytest.raises(ConfigError, match=words):
            read_rows(tmp_path, text)


@pytest.mark.parametrize(("text", "loss"), [("3.5 ± 0.003", 3.5), ("3.5+-0.01", 3.5), ("3.5 +/- 1e-3", 3.5)])
def test_a_standard_error_behind_a_number_is_left_out_and_said(tmp_path, text, loss):
    runs = read_rows(tmp_path, ROWS.replace("3.5\n", f"{text}\n"))
    assert runs.frame["loss"].tolist() == [loss, 3.25, 3.125]
    assert runs.warnings == [f"loss: the value {text} is read as {loss}"]


@pytest.mark.parametrize("text", ["20\u2019000\u2019000", "2\u00b710\u2077", "2 x 10\u2077"])
def test_other_marks_of_thousands_and_powers_are_read(tmp_path, text):
    runs = read_rows(tmp_path, ROWS.replace("20000000", text))
    assert runs.frame["N"].tolist() == [2e7, 3e7, 4e7]
    assert runs.warnings == [f"N: the value {text} is read as 20 million"]
