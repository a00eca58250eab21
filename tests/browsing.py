"""A real browser: Debian's chromium, or another one, driven by playwright."""

import os
import shutil
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

SHOTS = Path(__file__).parents[1] / "shots"  # git ignores it
_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
_QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# the only things a page of ours may complain of: it asks whether it is logged in
_USUAL = (
    "401 (Unauthorized)",
    "403 (Forbidden)",
    "net::ERR_CONNECTION_REFUSED",
    "WebSocket connection to",
)


def _found():
    given = os.environ.get("CHROMIUM")
    return given or next(filter(None, map(shutil.which, _NAMES)), None)


@asynccontextmanager
async def browser():
    """Skips the test where there is none."""
    api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
    program = _found()
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(_NAMES)} is here, and CHROMIUM names none")
    async with api.async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=program, args=_QUIET)
        try:
            yield started
        finally:
            await started.close()


@asynccontextmanager
async def tab(browser, *, language="en-US", scheme="light", size=(1440, 900)):
    """A page with cookies of its own; what it complains of fails the test."""
    width, height = size
    context = await browser.new_context(
        locale=language, color_scheme=scheme, viewport={"width": width, "height": height}
    )
    page, complaints = await context.new_page(), []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda said: (
            said.type == "error"
            and not any(usual in said.text for usual in _USUAL)
            and complaints.append(said.text)
        ),
    )
    page.set_default_timeout(20_000)
    try:
        yield page
        assert not complaints, complaints
    finally:
        await context.close()


def expect(page, selector):
    """What is to become true of an element."""
    from playwright.async_api import expect as expected

    return expected(page.locator(selector))


async def shot(page, name):
    """Keep a picture of it, for whoever wants to look."""
    SHOTS.mkdir(exist_ok=True)
    await page.screenshot(path=SHOTS / f"{name}.png")
