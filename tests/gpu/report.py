"""The figures of the check as a table: on the terminal, and in docs/results/gpu.md."""

from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs/results/gpu.md"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
COLUMNS = ("part", "figure", "value", "goal", "met", "note")


def rows_of(result: dict) -> list[tuple[str, ...]]:
    """Return the rows of the table: the figures of each part, and how the part ended if it is not done."""
    rows = []
    for part, about in result["parts"].items():
        for figure in result["figures"]:
            if figure["part"] == part:
                met = {None: "", True: "yes", False: "no"}[figure["met"]]
                value = written(figure["value"], figure["unit"])
                rows.append((part, figure["name"], value, figure["goal"], met, figure["note"]))
        if about["ended"] != "done":
            rows.append((part, "", "", "", "", about["ended"]))
    return rows


def written(value: float | None, unit: str) -> str:
    """Return a figure with its unit."""
    if value is None:
        return ""
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{text} {unit}".strip()


def title_of(result: dict) -> str:
    """Return the card, versions, commit and time in one line."""
    versions = ", ".join(f"{name} {version}" for name, version in result.get("versions", {}).items() if version)
    peak = f", peak {result['peak_flops'] / 1e12:g} TFLOP/s in bfloat16" if result.get("peak_flops") else ""
    seconds = f"{result['seconds']:.0f} s from {result['started']} UTC"
    return (
        f"{result.get('card', 'unknown machine')}{peak}; {versions}; commit {result.get('commit', 'unknown')[:12]}; {seconds}"
    )


def show(result: dict) -> None:
    """Print the table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title_of(result))
    for name in COLUMNS:
        table.add_column(name, justify="right" if name == "value" else "left", overflow="fold")
    for row in rows_of(result):
        table.add_row(*row)
    console = Console(width=140)
    console.print(table)
    console.print(", ".join(f"{name} {part['seconds']:.0f} s" for name, part in result["parts"].items()))


def markdown(result: dict) -> str:
    """Return the table in Markdown."""
    lines = [f"{title_of(result)}.", "", f"| {' | '.join(COLUMNS)} |", "|---|---|---:|---|---|---|"]
    lines += [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows_of(result)]
    return "\n".join(lines)


def fill(result: dict, document: Path = DOCUMENT) -> None:
    """Write the table into the document, in the place of the one before.

    :raises SystemExit: for figures of a processor, which say nothing about a GPU.
    """
    if result["tiny"]:
        raise SystemExit("--fill: these figures are of --tiny, on a processor; docs/results/gpu.md takes those of a GPU")
    before, _, rest = document.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    document.write_text(f"{before}{BEGIN}\n\n{markdown(result)}\n\n{END}{after}")
