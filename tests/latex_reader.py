"""A strict reader of the little LaTeX that the tables use."""

import re


def parse_latex(source: str) -> list[list[str]]:
    """The tabular's rows as printed text; fails on anything that LaTeX would not take literally."""
    body = source.split("\n", 1)[1]
    assert source.startswith("% needs")
    assert re.findall(r"\\begin{(\w+)}", body) == ["table", "tabular"]
    assert re.findall(r"\\end{(\w+)}", body) == ["tabular", "table"]
    print_latex(re.sub(r"\\(begin|end|label){[\w:-]+}({l?r+})?", "", re.sub(r"(?<!\\)&", "", body)))
    inner = body.split(r"\toprule")[1].split(r"\bottomrule")[0].replace("\\midrule\n", "")
    rows = inner.strip("\n").split("\n")
    assert all(row.endswith(r" \\") for row in rows)
    assert not any(row.lstrip().startswith(("[", "*")) for row in rows)
    cells = [re.split(r"(?<!\\)&", row.removesuffix(r" \\")) for row in rows]
    return [[print_latex(cell).strip() for cell in row] for row in cells]


COMMANDS = {
    "textbackslash": "\\",
    "textasciitilde": "~",
    "textasciicircum": "^",
    "textless": "<",
    "textgreater": ">",
    "textbar": "|",
    "footnotesize": "",
    "dag": "†",
    "ddag": "‡",
}
MATHS = {r"\pm": "±", r"\epsilon": "ε", r"\infty": "∞", "-": "−", r"\times": "×"}


def print_latex(source: str) -> str:
    """A strict reader of the little LaTeX that the tables use: what would be printed."""
    printed, depth, at = "", 0, 0
    token = re.compile(
        r"\\([a-zA-Z]+) ?|\\(.)|\$([^$]+)\$|([{}])|([&%#_^~$|<>\"])|(--|'')|(.)", re.S
    )
    while at < len(source):
        found = token.match(source, at)
        assert found is not None
        command, escaped, maths, brace, bare, ligature, plain = found.groups()
        assert bare is None, f"bare {bare!r} at {source[at : at + 20]!r}"
        if command is not None:
            printed += COMMANDS.get(command, "")
        elif brace is not None:
            depth += 1 if brace == "{" else -1
            assert depth >= 0
        elif maths is not None:
            printed += MATHS[maths]
        elif ligature is not None:
            printed += {"--": "–", "''": '"'}[ligature]
        else:
            printed += escaped if escaped is not None else plain
        at = found.end()
    assert depth == 0
    return printed
