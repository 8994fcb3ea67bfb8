"""Answers that make parsers hang or blow up and are too long to be written down. None of them is right."""

THOUGHTS = "<think>I try.</think>\n"
MANY = 100_000


def boxed(text: str) -> str:
    return f"{THOUGHTS}So the answer is $\\boxed{{{text}}}$."


def tagged(text: str) -> str:
    return f"{THOUGHTS}<answer>{text}</answer>"


def nested(opening: str, closing: str, depth: int, inner: str = "5") -> str:
    return opening * depth + inner + closing * depth


def matrix(size: int) -> str:
    rows = r" \\ ".join([" & ".join(["5"] * size)] * size)
    return rf"\begin{{pmatrix}} {rows} \end{{pmatrix}}"


NUMBERS = {  # the gold answer of all is 7
    "a hundred thousand digits": boxed("9" * MANY),
    "a hundred thousand decimals": boxed("0." + "1" * MANY),
    "a hundred thousand digits that repeat": tagged("0.(" + "3" * MANY + ")"),
    "a number of very many thousands": tagged("1" + " 000" * (MANY // 4)),
    "very many thousands with commas": tagged("1" + ",000" * (MANY // 4)),
    "a power of a long number": boxed("9" * 5000 + "^{" + "9" * 5000 + "}"),
    "a factorial of a factorial, a thousand times": boxed("9" + "!" * 1000),
    "a tower of powers without braces": tagged("^".join(["9"] * 1000)),
    "very many signs": tagged("-" * MANY + "5"),
    "a sum of very many terms": tagged("+".join(["1"] * 10_000)),
    "a product of very many factors": tagged("*".join(["x"] * 10_000)),
    "a quotient of quotients": tagged("/".join(["1"] * 10_000)),
    "a ratio of very many parts": tagged(":".join(["1"] * MANY)),
    "very many sides of an equation": boxed("=".join(["1"] * 10_000)),
    "a list of very many numbers": tagged(", ".join(["1"] * MANY)),
    "very many alternatives": tagged(" or ".join(map(str, range(10, 10_000)))),
    "signs with 2^40 alternatives": boxed(r" \pm 1" * 40),
    "a union of very many intervals": boxed(r" \cup ".join(f"({n}, {n + 1})" for n in range(0, 6000, 2))),
    "percent of percent": tagged("5" + "%" * MANY),
}
NESTED = {
    "braces in braces": boxed(nested("{", "}", MANY)),
    "parentheses in parentheses": tagged(nested("(", ")", MANY)),
    "brackets of LaTeX in brackets": boxed(nested(r"\left(", r"\right)", 1000)),
    "parentheses that are never closed": tagged("(" * MANY + "5"),
    "a fraction of fractions": boxed(nested(r"1+\frac{1}{", "}", 1000)),
    "roots of roots": boxed(nested(r"\sqrt{2+", "}", 1000)),
    "powers of powers": boxed(nested("2^{", "}", 1000)),
    "functions of functions": boxed(nested(r"\sin(", ")", 1000, "x")),
    "absolute values of absolute values": boxed(nested("|-", "|", 1000)),
    "sets of sets": boxed(nested(r"\{1,", r"\}", 1000)),
    "texts in texts": boxed(nested(r"\text{", "}", 5000)),
    "boxes in boxes": THOUGHTS + "$" + nested(r"\boxed{", "}", 5000) + "$",
    "fractions of nothing": boxed(r"\frac" * 10_000),
    "roots of nothing": boxed(r"\sqrt" * 10_000),
    "a matrix of ninety thousand entries": boxed(matrix(300)),
    "matrices that are never closed": boxed(r"\begin{pmatrix} 5 & " * 1000),
    "an index of an index": tagged("x_" * 10_000),
}
TEXTS = {
    "a hundred thousand boxes": THOUGHTS + r"\boxed{5} " * MANY,
    "boxes that are never closed": THOUGHTS + r"\boxed{" * MANY,
    "boxes of nothing": THOUGHTS + r"\boxed" * MANY,
    "a million dollars": THOUGHTS + "$" * 1_000_000,
    "displays that are never closed": THOUGHTS + r"\[ 5 " * MANY,
    "a long run of spaces": tagged("5" + " " * MANY + "6"),
    "a long run of line ends": tagged("5" + "\n" * MANY + "6"),
    "spaces, line by line": THOUGHTS + (" " * 200 + "\n") * 5000 + "The answer is",
    "a long run of backslashes": boxed("\\" * MANY + " 5"),
    "a long run of stars": tagged("*" * MANY + "5"),
    "bold that is never closed": tagged("**5" * 33_333),
    "a long run of underscores": tagged("_" * MANY + "5"),
    "a long run of backticks": tagged("`" * (MANY + 1) + "5"),
    "a long run of headings": THOUGHTS + "#" * MANY + " 5",
    "a long run of zero-width characters": tagged("5" + "\u200b\u200d\ufeff" * 33_333 + "6"),
    "a letter with very many accents": tagged("5" + "\u0305" * MANY),
    "tags of thoughts that are never closed": "<think>" * MANY + r"\boxed{7}",
    "tags of answers that are never closed": THOUGHTS + "<answer>5" * MANY,
    "very many tags": THOUGHTS + "<answer>5</answer>" * 10_000,
    "the same beginning of a sentence": THOUGHTS + "The answer is " * MANY,
    "the same label": THOUGHTS + "Answer: " * MANY,
    "a million letters": tagged("a" * 1_000_000),
    "letters and spaces": tagged("a " * MANY + "!"),
}


def generated() -> list[dict[str, str]]:
    """The long answers, as the rows of hostile.jsonl have them."""
    return [{"gold": "7", "completion": text, "why": why} for why, text in (NUMBERS | NESTED | TEXTS).items()]
