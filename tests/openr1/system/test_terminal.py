"""Tables in a pipe and on narrow terminals."""

import pytest
from rich.console import Console
from rich.table import Table

from openr1.system.terminal import console, print_table


def wide():
    table = Table("run", *(f"column {i}" for i in range(12)))
    table.add_row("a run with a name", *(f"{123456789 + i:,}" for i in range(12)))
    for column in table.columns[1:]:
        column.no_wrap = True
    return table


@pytest.mark.parametrize(("columns", "width"), [("", 100), ("80", 100), ("160", 160)])
def test_a_pipe_has_at_least_100_columns(monkeypatch, columns, width):
    monkeypatch.setenv("COLUMNS", columns)
    assert console(stderr=True).width == width


def test_a_row_is_one_line_in_a_pipe(capsys):
    print_table(wide(), console())
    lines = capsys.readouterr().out.splitlines()
    assert any("a run with a name" in line and "123,456,800" in line for line in lines)


def test_a_narrow_terminal_cuts_no_number(capsys):
    print_table(wide(), Console(force_terminal=True, width=60, no_color=True))
    text = capsys.readouterr().out
    assert all(f"{123456789 + i:,}" in text for i in range(12))
    assert "…" not in text


def test_a_table_that_fits_is_left_alone(capsys):
    table = Table("a")
    table.add_row("1")
    print_table(table, console())
    assert table.width is None
