"""The page: its numbers are those of the tables, it is well formed, and it loads nothing."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from biorobust.__main__ import main
from biorobust.analysis.html_table import as_html, sort_key
from biorobust.analysis.report.captions import CAPTIONS
from biorobust.analysis.typesetting import Strong
from biorobust.places import PAGE, Outline
from biorobust.planning import report_plan
from biorobust.provenance import verify_folder
from biorobust.stages import FIGURES
from made_up_page import IMAGES, page_command, page_outline, renamed
from made_up_results import MODELS, make_plan

VOID = {"meta", "img", "input", "br", "link", "path", "rect"}


class Page(HTMLParser):
    """What a page holds: cells of tables by box, images, links and text; fails on bad nesting."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tables: dict[str, list[list[list[str]]]] = {}
        self.images: list[dict[str, str | None]] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.box, self.text, self.cell = "", "", False
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if identity := given.get("id"):
            self.ids.append(identity)
            self.box = identity
        if tag not in VOID:
            self.open.append(tag)
        for name in ("src", "href", "data", "poster", "srcset", "action"):
            value = given.get(name)
            if value is not None:
                (self.links if tag == "a" else self.loads).append(value)
        if tag == "img":
            self.images.append(given)
        elif tag == "table":
            self.tables.setdefault(self.box, []).append([])
        elif tag == "tr":
            self.tables[self.box][-1].append([])
        elif tag in ("td", "th"):
            self.tables[self.box][-1][-1].append("")
            self.cell = True
        elif tag == "small":
            self.handle_data("|")

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag in VOID, tag

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag
        self.cell = self.cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("style", "script"):
            return
        self.text += data
        if self.cell:
            self.tables[self.box][-1][-1][-1] += data


def written(folder: Path, outline: Outline, **finding: str) -> str:
    assert main(page_command(folder, outline, **finding)) == 0
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("page") / "tiny"
    written(place, page_outline())
    return place


@pytest.fixture(scope="module")
def source(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(source: str) -> Page:
    return Page(source)


def test_it_is_well_formed_and_every_mark_is_its_own(page: Page) -> None:
    assert len(page.ids) == len(set(page.ids))
    inside = [link.removeprefix("#") for link in page.links if link.startswith("#")]
    assert set(inside) <= set(page.ids)
    assert [link for link in page.links if link[0] != "#"] == ["cards/zebra.md", "cards/ant.md"]


def test_it_loads_nothing(source: str, page: Page) -> None:
    assert page.loads and all(
        place.startswith("data:image/svg+xml;base64,") for place in page.loads
    )
    assert not re.search(
        r"@import|url\((?!#)|\b(fetch|XMLHttpRequest|WebSocket|import)\b\s*\(", source
    )
    assert "http" not in re.sub(r"base64,[\w+/=]+", "", source)


def test_the_answer_names_who_helps_by_how_much_and_how_sure(page: Page) -> None:
    # Of 40 images "ant" keeps 31, 30 and 22, "zebra" 20, 10 and 2, either one less in odd seeds.
    share = (22 - 2) / IMAGES
    mean = ((31 - 20) + (30 - 10) + share * IMAGES) / 3 / IMAGES
    text = " ".join(page.text.split())
    pattern = r"Under the attack pgd [^:]*: [^:]*: [^:]*\.(?= At single values)"
    (headline,) = re.findall(pattern, text)
    assert f"ant is hardest to fool: +{100 * mean:.1f} points" in headline
    assert f"+{100 * 20 / IMAGES:.1f} points (95% interval" in headline
    assert "paired test on the same 40 test images" in text
    assert "Of the one claim that" in text and "1 supported" in text
    assert "a made-up warning" in text


def test_numbers_are_those_of_the_tidy_tables(folder: Path, page: Page) -> None:
    (header, *rows) = page.tables["table-pgd"][0]
    tidy = pd.read_csv(folder / "tables/pgd.csv", dtype={"epsilon_text": str})
    assert [row[0].split()[0] for row in rows] == ["zebra", "ant"]
    for row in rows:
        for column, cell in zip(header[1:], row[1:], strict=True):
            at = column.removeprefix("ε = ")
            chosen = (tidy["model"] == row[0].split()[0]) & (tidy["epsilon_text"] == at)
            (line,) = tidy[chosen].to_dict("records")
            assert cell.startswith(f"{100 * line['mean']:.1f} ± {100 * line['std']:.1f}|")
            ends = (f"{100 * line[key]:.1f}" for key in ("both_low", "both_high"))
            assert cell.endswith("–".join(ends))


def test_differences_from_the_plain_model_are_those_of_the_accuracies(
    folder: Path, page: Page
) -> None:
    means = pd.read_csv(folder / "tables/pgd.csv", dtype=str).set_index(["model", "epsilon_text"])
    header, row = page.tables["against-plain"][0]
    assert (header[0], row[0]) == ("pgd", "ant")
    for column, cell in zip(header[1:], row[1:], strict=True):
        at = column.removeprefix("ε = ")
        ant, zebra = (float(means.loc[(name, at), "mean"]) for name in ("ant", "zebra"))
        assert cell.split("|")[0] == f"{100 * (ant - zebra):+.1f}".replace("-", "−")


def test_every_figure_has_a_caption_and_words_for_who_cannot_see_it(page: Page) -> None:
    assert len(page.images) == len([name for name in page.ids if name.startswith("figure-")]) - 1
    for image in page.images:
        assert len(image["alt"] or "") > 40 and "zebra, ant" in (image["alt"] or "")
        assert int(image["width"] or 0) > 100 and int(image["height"] or 0) > 100
    assert set(CAPTIONS) == set(FIGURES)


def test_the_graph_counts_the_jobs_of_each_stage(page: Page) -> None:
    text = " ".join(page.text.split())
    told = "shard (1), train (4), attack (16), check (8), collect (1), tables (8), figures (6), "
    assert f"The stages from top to bottom: {told}cards (2), report (1)." in text


def test_names_are_shown_literally(tmp_path: Path) -> None:
    outline = renamed(page_outline(), "ant", "<b>&ant")
    page = Page(written(tmp_path, outline))
    assert "<b>&ant is hardest to fool" in page.text
    assert page.tables["table-pgd"][0][2][0] == "<b>&ant"
    assert page.tables["against-plain"][0][1][0] == "<b>&ant"
    assert all("<b>&ant" in str(image["alt"]) for image in page.images)
    assert "cards/%3Cb%3E%26ant.md" in page.links
    # A class is called "<b>", too.
    assert "<b>" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_same_inputs_give_the_same_bytes_and_the_record_vouches_for_them(
    folder: Path, source: str
) -> None:
    assert written(folder, page_outline()) == source
    assert verify_folder(folder) == []
    (folder / "report.html").write_text(source + " ")
    assert any("report.html is damaged" in fault for fault in verify_folder(folder))


def test_who_is_objected_to_is_told_at_the_top(tmp_path: Path) -> None:
    text = Page(written(tmp_path, page_outline(), verdict="fail")).text
    assert "Checks of the evaluation fail for zebra, ant" in text
    assert "No check of the evaluation objects" not in text


def test_an_accepted_edit_is_shown_with_its_reason(tmp_path: Path, page: Page) -> None:
    edit = {"paths": ["models/<b>.py"], "reason": "names only", "date": "2026-11-23"}
    of = [["train", "ant"], ["attack", "ant"]]
    text = Page(written(tmp_path, page_outline() | {"accepted": [{**edit, "of": of}]})).text
    assert "Somebody vouches that no number changes" in text
    assert "1. models/<b>.pynames only2026-11-23train ant, attack ant" in text
    assert "Accepted edits" not in page.text


def test_where_models_only_guess_that_comes_before_any_comparison(tmp_path: Path) -> None:
    outline = page_outline()
    text = Page(written(tmp_path / "guess", outline, verdict="fail", check="learned")).text
    warned = text.index("Not told from guessing on clean images, in at least one seed: zebra, ant")
    assert warned < text.index("Under the attack")
    for name, found in (
        ("other", {"verdict": "fail", "check": "restarts"}),
        ("sure", {"verdict": "pass", "check": "learned"}),
    ):
        assert "Not told from guessing" not in Page(written(tmp_path / name, outline, **found)).text


def test_where_no_model_helps_that_is_the_answer(tmp_path: Path) -> None:
    alike = {"zebra": [36, 20, 10, 2], "ant": [36, 20, 10, 2]}
    assert main(page_command(tmp_path, page_outline(), alike)) == 0
    text = Page((tmp_path / "report.html").read_text(encoding="utf-8")).text
    assert "no model is told to be harder to fool than zebra" in " ".join(text.split())
    assert "hardest to fool" not in text


def test_one_model_is_compared_with_nothing(tmp_path: Path) -> None:
    outline = make_plan(models=MODELS[1:])
    text = Page(written(tmp_path, outline)).text
    assert "one model, ant: there is nothing to compare" in " ".join(text.split())


def test_an_edited_template_stops_a_job_that_was_planned_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outline = page_outline()
    outline[PAGE][PAGE]["templates"]["page.html"] = "0" * 64
    assert main(page_command(tmp_path, outline)) == 1
    assert "templates of the report were edited" in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists()


def test_a_template_is_part_of_the_plan() -> None:
    plan = report_plan(page_outline(), PAGE, PAGE)
    assert {"page.html", "style.css", "tables.js", "graph.svg"} <= set(plan["templates"])


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("90.2 ± 3.9", 90.2),
        ("−4.5", -4.5),
        ("+0.3", 0.3),
        ("<0.001", 0.001),
        ("1,234", 1234.0),
        ("2.0 min", 120.0),
        ("1.5 h", 5400.0),
        ("0.50 GiB", 2.0**29),
        ("∞", float("inf")),
        ("4.35e-05", 4.35e-05),
        ("3 of 5", 3.0),
        ("pass", None),
        ("", None),
    ],
)
def test_cells_sort_by_the_number_with_which_they_begin(text: str, number: float | None) -> None:
    assert sort_key(text) == number


def test_a_table_is_escaped_ascii_with_bold_and_further_lines() -> None:
    body = {"a<b": [[Strong("1.0"), "0–2"], ["∞"]]}
    text = as_html(["M & N", "x", "y"], body, ["“Told” <i>"])
    assert text.isascii()
    page = Page(f'<div id="t">{text}</div>')
    assert page.tables["t"] == [[["M & N", "x", "y"], ["a<b", "1.0|0–2", "∞"]]]
    assert '<td data-sort="1.0"><strong>1.0</strong><small>' in text
    assert 'data-sort="inf"' in text and "“Told” <i>" in page.text
