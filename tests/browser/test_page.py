"""The page in a real browser: it is drawn whole, sorts, filters, and fits a phone and the dark."""

import pytest

from browsed import SIZES, opened

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed: pip install '.[browser]'"
)

# WCAG 2.2, success criterion 1.4.3, for text of ordinary size.
CONTRAST = 4.5
# Of every piece of text that is seen: its colour, and that of the nearest background behind it.
COLOURS = """() => {
  const found = [];
  const rgb = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility()) continue;
    if (element.closest("svg, script, style")) continue;
    let behind = element;
    while (behind && rgb(getComputedStyle(behind).backgroundColor)[3] === 0) {
      behind = behind.parentElement;
    }
    found.push([
      walker.currentNode.textContent.trim().slice(0, 40),
      rgb(getComputedStyle(element).color),
      behind ? rgb(getComputedStyle(behind).backgroundColor) : [255, 255, 255],
    ]);
  }
  return found;
}"""


def column(page: "playwright.Page", place: int) -> list[str]:
    cells = f"#table-pgd tbody tr:not([hidden]) > :nth-child({place})"
    return [text.split()[0] for text in page.locator(cells).all_inner_texts()]


def test_every_figure_is_drawn(browser: "playwright.Browser", address: str) -> None:
    with opened(browser, address) as page:
        sizes = page.eval_on_selector_all(
            "figure img", "all => all.map(i => [i.complete, i.naturalWidth, i.clientWidth])"
        )
        assert len(sizes) >= 5
        assert all(done and natural > 100 and shown > 100 for done, natural, shown in sizes)
        boxes = page.eval_on_selector_all(
            "#figure-stages .stage", "all => all.map(b => b.getBBox().width)"
        )
        assert len(boxes) == 9 and min(boxes) > 50


def test_a_click_sorts_up_then_down_then_as_printed(
    browser: "playwright.Browser", address: str
) -> None:
    with opened(browser, address) as page:
        head = page.locator("#table-pgd th").nth(1)
        printed = column(page, 2)
        # On clean images "zebra" is the better one, and stands first.
        assert column(page, 1) == ["zebra", "ant"]
        head.locator("button").click()
        assert column(page, 2) == sorted(printed, key=float)
        assert head.get_attribute("aria-sort") == "ascending"
        head.locator("button").click()
        assert column(page, 2) == sorted(printed, key=float, reverse=True)
        head.locator("button").click()
        assert column(page, 2) == printed
        name = page.locator("#table-pgd th button").first
        name.focus()
        page.keyboard.press("Enter")
        assert column(page, 1) == ["ant", "zebra"]
        assert head.get_attribute("aria-sort") == "none"


def test_a_word_filters_rows(browser: "playwright.Browser", address: str) -> None:
    with opened(browser, address) as page:
        box = page.locator("#table-differences")
        rows = box.locator("tbody tr:visible")
        everything = rows.count()
        field = box.get_by_label("Filter rows")
        field.fill("0.01")
        assert 0 < rows.count() < everything
        assert all("0.01" in text for text in rows.all_inner_texts())
        assert f"{rows.count()} of {everything} rows" in box.inner_text()
        field.fill("no such word")
        assert rows.count() == 0
        field.fill("")
        assert rows.count() == everything


@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_wider_than_the_screen(
    browser: "playwright.Browser", address: str, size: str
) -> None:
    with opened(browser, address, size) as page:
        page.eval_on_selector_all("details", "all => all.forEach(d => { d.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
        small = page.eval_on_selector_all(
            "figure img", "all => Math.min(...all.map(i => i.clientWidth / i.naturalWidth))"
        )
        # Letters of 10 points must not shrink below 7.
        assert small > 0.7


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(
    browser: "playwright.Browser", address: str, scheme: str
) -> None:
    with opened(browser, address, scheme=scheme) as page:
        found = page.evaluate(COLOURS)
        assert len(found) > 100
        weak = [(text, ink, ground) for text, ink, ground in found if ratio(ink, ground) < CONTRAST]
        assert weak == []
        dark = luminance(page.evaluate(COLOURS)[0][2]) < 0.1
        assert dark == (scheme == "dark")


def ratio(ink: list[float], ground: list[float]) -> float:
    """The contrast of two colours, as WCAG 2.2 defines it."""
    lighter, darker = sorted((luminance(ink), luminance(ground)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: list[float]) -> float:
    """Of an sRGB colour of three values to 255, between 0 and 1."""
    shares = [value / 255 for value in colour[:3]]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
