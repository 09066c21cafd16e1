"""The pictures in docs/images, taken anew from the console of a running fleet.

python -m benchmarks.pictures [NAME…] [--into docs/images] [--hours 2] [--speed 60]

Starts ``leadtime up`` with the built-in fleet on free ports, lets so many hours of its morning pass, opens each page
in Chromium (1440 pixels wide, light) and takes all of it; by name, only those. Look at them before you commit them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console

from benchmarks.start import free_ports

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDTH, HEIGHT, TALLEST = 1440, 900, 5000
SETTLED_MS = 1500
"""Time for charts to be drawn at a new height."""
PATIENCE_MS = 300_000
IMAGES = Path(__file__).parents[1] / "docs" / "images"


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


def whole(page: Page, path: Path) -> None:
    """A picture of all of the page, as long as it is; the window keeps its size."""
    size = page.viewport_size or {"width": WIDTH, "height": HEIGHT}
    page.wait_for_timeout(SETTLED_MS)
    height = int(page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight"))
    page.set_viewport_size({"width": size["width"], "height": min(TALLEST, max(size["height"], height + 60))})
    page.wait_for_timeout(SETTLED_MS)
    page.screenshot(path=path)
    page.set_viewport_size(size)


@contextmanager
def fleet(speed: float) -> Iterator[tuple[str, str]]:
    """Addresses of the console and the API of a fleet that runs."""
    api, web, nodes = free_ports(3)
    ports = ["--api-port", str(api), "--console-port", str(web), "--fleet-port", str(nodes)]
    command = [sys.executable, "-m", "app.cli.main", "up", "--speed", f"{speed:g}", *ports]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        if not any(line.startswith("Ctrl-C") for line in process.stderr or ()):
            raise RuntimeError("leadtime up ended before it was ready; run it by hand to see why")
        yield f"http://127.0.0.1:{web}", f"http://127.0.0.1:{api}"
    finally:
        process.terminate()
        process.wait()


def passed(api: str, hours: float, seconds: Callable[[], float] = time.monotonic) -> None:
    """Wait until so much of the fleet's time has passed."""
    begun_s, since = clock_s(api), seconds()
    while clock_s(api) < begun_s + 3600 * hours:
        if seconds() - since > 3600:
            raise RuntimeError("the fleet's time does not pass; give a lower --speed or fewer --hours")
        time.sleep(1.0)


def clock_s(api: str) -> float:
    """The fleet's time."""
    return float(httpx.get(f"{api}/api/v1/fleet", timeout=30).raise_for_status().json()["clock"]["now_s"])


def drafted(page: Page) -> None:
    """Change the form, validate, and replay the last 24 hours."""
    least = page.get_by_role("spinbutton", name="Minimum [replicas]")
    least.fill("9")
    least.press("Tab")
    page.get_by_role("button", name="Validate").click()
    page.get_by_role("button", name="Preview impact").click()
    page.get_by_text("What this rests on").wait_for()


def opened(page: Page) -> None:
    """Nothing more than what the address shows."""


PICTURES: dict[str, tuple[str, str, Callable[[Page], None]]] = {
    "fleet": ("/?window=6+h", "GPUs", opened),
    "service": ("/service?service=chat", "Replicas by state", opened),
    "decisions": ("/decisions?service=chat&span=6+h", "Why not more?", opened),
    "gpus": ("/gpus?service=chat", "Sick GPUs", opened),
    "policies": ("/policies?service=chat", "History", drafted),
}
"""By name: where the page is, what stands on it once it is there, and what is done on it first."""


def take(browser: Browser, console: str, name: str, into: Path) -> Path:
    """One picture."""
    address, landmark, prepare = PICTURES[name]
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{console}{address}")
    page.get_by_test_id("stMain").get_by_text(landmark).first.wait_for()
    prepare(page)
    whole(page, into / f"{name}.png")
    page.close()
    return into / f"{name}.png"


def main() -> None:
    """Take them and say where they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *PICTURES], metavar="NAME")
    parser.add_argument("--into", type=Path, default=IMAGES)
    parser.add_argument("--hours", type=float, default=2.0, help="of the fleet's time before the first picture")
    parser.add_argument("--speed", type=float, default=60.0)
    given = parser.parse_args()
    given.into.mkdir(parents=True, exist_ok=True)
    with fleet(given.speed) as (console, api), chromium() as browser:
        passed(api, given.hours)
        for name in given.names or PICTURES:
            Console().print(take(browser, console, name, given.into))


if __name__ == "__main__":
    main()
