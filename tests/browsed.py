"""A page opened in a real browser, which is to say nothing and to ask for nothing but itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SIZES = {"desktop": (1280, 900), "phone": (390, 844), "small phone": (320, 640)}


@contextmanager
def opened(
    browser: Any, address: str, size: str = "desktop", scheme: str = "light"
) -> Iterator[Any]:
    """The page, which must say nothing on the console and ask for nothing but itself."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, offline=True
    )
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    yield page
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [address]
    context.close()
