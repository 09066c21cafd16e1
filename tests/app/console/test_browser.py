"""An operator at the console of a running fleet: every page opens, and a change of policy moves replicas."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.app.cli.test_up import free_ports

pytestmark = pytest.mark.chromium

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
WIDE, PHONE = (1440, 900), (390, 844)
SHOTS = os.environ.get("LEADTIME_SCREENSHOTS")
"""Folder for screenshots; none are taken without it."""

PAGES = {
    "fleet": "/",
    "service": "/service?service=chat",
    "forecasts": "/forecasts?service=chat",
    "policies": "/policies?service=chat",
}
LANDMARK = {
    "fleet": "Needs attention",
    "service": "Demand and capacity",
    "forecasts": "Promised and kept",
    "policies": "History",
}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("up")


@pytest.fixture(scope="module")
def console(state: Path) -> Iterator[tuple[str, str]]:
    """Addresses of the console and the API of a fleet at thirty times real speed."""
    api, web, fleet = free_ports(3)
    ports = ["--api-port", str(api), "--console-port", str(web), "--fleet-port", str(fleet)]
    command = [sys.executable, "-m", "app.cli.main", "up", "--speed", "30", "--state", str(state), *ports]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    ready = any(line.startswith("Ctrl-C") for line in process.stderr)
    assert ready, "leadtime up ended before it was ready"
    yield f"http://127.0.0.1:{web}", f"http://127.0.0.1:{api}"
    process.terminate()
    process.wait()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))


def opened(browser: Browser, address: str, size: tuple[int, int] = WIDE) -> Page:
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.goto(address)
    return page


def shoot(page: Page, name: str) -> None:
    if SHOTS:
        page.wait_for_timeout(3000)
        page.screenshot(path=Path(SHOTS) / f"{name}.png")


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens(
    name: str, size: tuple[int, int], browser: Browser, console: tuple[str, str], state: Path
) -> None:
    page = opened(browser, console[0] + PAGES[name], size)
    expect(page.get_by_text(LANDMARK[name]).first).to_be_visible(timeout=30_000)
    shoot(page, f"{name}-{size[0]}x{size[1]}")
    assert page.get_by_test_id("stException").count() == 0
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= size[0], "nothing runs out of the screen"
    assert "Traceback" not in (state / "console.log").read_text()
    page.close()


def test_raising_the_minimum_grows_the_fleet(browser: Browser, console: tuple[str, str], state: Path) -> None:
    address, api = console
    page = opened(browser, address + PAGES["policies"])
    before = chat(api)["replicas"]["active"]
    wanted = before + 3
    minimum = page.get_by_role("spinbutton", name="Minimum [replicas]")
    expect(minimum).to_be_visible(timeout=30_000)
    minimum.fill(str(wanted))
    minimum.press("Tab")
    page.get_by_role("button", name="Validate").click()
    expect(page.get_by_text("Valid. This is what changes:")).to_be_visible(timeout=15_000)
    expect(page.locator("code").first).to_contain_text(f"min: {wanted}")
    shoot(page, "policies-diff")
    for box, text in (("Author", "ada"), ("Reason", "a launch is coming")):
        page.get_by_role("textbox", name=box).fill(text)
        page.get_by_role("textbox", name=box).press("Tab")
    page.get_by_role("button", name="Apply as version 2").click()
    expect(page.get_by_text("a launch is coming").first).to_be_visible(timeout=15_000)
    deadline = time.monotonic() + 60
    while chat(api)["replicas"]["active"] < wanted and time.monotonic() < deadline:
        time.sleep(0.5)
    assert chat(api)["replicas"]["active"] >= wanted
    assert httpx.get(f"{api}/api/v1/policies/chat/history").json()[0]["author"] == "ada"
    page.goto(address + PAGES["service"])
    expect(page.get_by_text(f"between {wanted} and 20").first).to_be_visible(timeout=30_000)
    shoot(page, "service-grown")
    assert "Traceback" not in (state / "console.log").read_text()
    page.close()


def chat(api: str) -> dict[str, dict[str, int]]:
    row: dict[str, dict[str, int]] = httpx.get(f"{api}/api/v1/services/chat").json()
    return row
