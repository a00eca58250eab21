"""From `qka run` to a day that moves in the browser, as a newcomer starts it.

The process is started, the link that it prints is opened in a headless Chromium that already runs,
and the clock, the quotes and the account's total have each been seen with two values.
"""

import asyncio
import os
import re
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks.measure import Row

if TYPE_CHECKING:
    from playwright.async_api import Browser

GOAL = 2_000.0  # ms
COMMAND = ["run", "config/paper.yaml", "--set", "monitor.dashboard=true", "--set", "feed.speed=30"]
_PROJECT = Path(__file__).parents[1]
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
# a look at each frame; what is empty at first (no row, no figure) is no value yet
_MOVES = """() => {
  const seen = (window.seen ??= {});
  for (const part of ["#clock", "#quotes tbody", "[data-figure=total]"]) {
    const text = document.querySelector(part)?.textContent;
    if (text) (seen[part] ??= new Set()).add(text);
  }
  return Object.values(seen).filter((values) => values.size > 1).length === 3;
}"""


def start(quick: bool) -> list[Row]:
    """The README's command, some times over, against the goal of 2 s."""
    what = "start: to a page that moves"
    program = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if program is None or find_spec("playwright") is None:
        return [Row(what, float("nan"), "ms", note="needs playwright and a Chromium")]
    links, moves = zip(*asyncio.run(_starts(program, 3 if quick else 9)), strict=True)
    usual = median(moves)
    note = (
        f"floor: the goal; the link is there after {median(links):,.0f}, slowest {max(moves):,.0f}"
    )
    return [Row(what, usual, "ms", GOAL, usual / GOAL, 1.0, note=note)]


async def _starts(program: str, times: int) -> list[tuple[float, float]]:
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu"]
        browser = await playwright.chromium.launch(executable_path=program, args=flags)
        try:
            return [await _start(browser) for _ in range(times)]
        finally:
            await browser.close()


async def _start(browser: "Browser") -> tuple[float, float]:
    """ms from the process's start to its link, and to a page that moves."""
    page = await (await browser.new_context()).new_page()
    with TemporaryDirectory() as runs:
        began = perf_counter()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "qka", *COMMAND, "--set", f"run.dir={runs}",
            cwd=_PROJECT, env={**os.environ, "QKA_LANG": "en"},
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            assert process.stderr is not None
            link = None
            while link is None:
                line = await process.stderr.readline()
                if not line:
                    raise RuntimeError("the run ended before it printed its link")
                link = re.search(r"http://\S+#\S+", line.decode())
            printed = perf_counter()
            reading = asyncio.create_task(process.stderr.read())  # or the pipe fills
            await page.goto(link[0])
            await page.wait_for_function(_MOVES)
            moved = perf_counter()
        finally:
            process.kill()
            await process.wait()
        await reading
        await page.context.close()
    return (printed - began) * 1e3, (moved - began) * 1e3
