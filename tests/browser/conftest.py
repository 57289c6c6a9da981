"""A page of made-up results, and Debian's chromium to look at it."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from biorobust.__main__ import main
from made_up_page import page_command, page_outline

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no chromium here: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        # The sandbox refuses root, as which containers run; the page is our own.
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def address(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of the page; not made where there is no browser."""
    folder: Path = tmp_path_factory.mktemp("page") / "tiny"
    assert main(page_command(folder, page_outline(), drawn=True, verdict="warn")) == 0
    return (folder / "report.html").as_uri()
