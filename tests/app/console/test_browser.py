"""An operator at the console of a running fleet, in Chromium: every page can be read, policies go their whole way, a
bad one comes back by itself, and stale data says so.

One fleet, one browser and one tab for all pages: theme and size change in place, which the console follows.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
import yaml
from playwright.sync_api import Browser, Page, expect

from app.cli.up import BUILT_IN
from benchmarks.pictures import chromium, whole
from tests.app.console import accessible
from tests.app.processes import free_ports

pytestmark = [pytest.mark.alone, pytest.mark.chromium, pytest.mark.timeout(900)]

Theme = Literal["light", "dark"]
Size = tuple[int, int]
WIDE, PHONE = (1440, 900), (390, 844)
LOOKS: tuple[tuple[Size, Theme], ...] = ((WIDE, "light"), (WIDE, "dark"), (PHONE, "dark"), (PHONE, "light"))
FIRST_LOOKS = ((WIDE, "light"), (PHONE, "dark"))
"""Structure is the same in both themes, so all rules are checked once a size, and contrast always."""
PATIENCE_S = 60.0
"""How long anything may take on a busy machine. Nothing waits so long where it is not."""
REPLAY_S = 4 * PATIENCE_S
"""For what computes in a process of low priority."""
SHOTS = os.environ.get("LEADTIME_SCREENSHOTS")
"""Folder for screenshots; none are taken without it."""

LANDMARK = {
    "Fleet": "GPUs by use",
    "Service": "Demand and capacity",
    "Forecasts": "Promised and kept",
    "Decisions": "Why not more?",
    "GPUs": "Nodes and GPUs:",
    "Policies": "History",
    "Cost": "Budgets of this month",
    "Plan": "press Plan",
    "Audit": "Verify the chain",
}
"""What stands on a page once all of it is there."""


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("up")


@pytest.fixture(scope="module")
def console(state: Path) -> Iterator[tuple[str, str]]:
    """Addresses of the console and the API of a fleet at ten times real speed, where promises need two people and data
    of one service is stale soon.
    """
    api, web, fleet = free_ports(3)
    ports = ["--api-port", str(api), "--console-port", str(web), "--fleet-port", str(fleet)]
    own = {"approval": {"fields": ["slo"]}, "store": {"url": f"sqlite:///{state / 'leadtime.db'}"}}
    config = state / "own.yaml"
    content = yaml.safe_load(BUILT_IN.read_text()) | own
    content["services"][2]["policy"]["stale_after_s"] = 20
    config.write_text(yaml.safe_dump(content))
    where = ["--config", str(config), "--state", str(state)]
    command = [sys.executable, "-m", "app.cli.main", "up", "--speed", "10", *where, *ports]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    ready = any(line.startswith("Ctrl-C") for line in process.stderr)
    assert ready, "leadtime up ended before it was ready"
    yield f"http://127.0.0.1:{web}", f"http://127.0.0.1:{api}/api/v1"
    process.terminate()
    process.wait()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        expect.set_options(timeout=1000 * PATIENCE_S)
        yield found


def opened(browser: Browser, address: str) -> Page:
    page = browser.new_page(viewport={"width": WIDE[0], "height": WIDE[1]}, color_scheme="light")
    page.set_default_timeout(1000 * PATIENCE_S)
    page.goto(address)
    return page


@pytest.fixture(scope="module")
def tab(browser: Browser, console: tuple[str, str]) -> Iterator[Page]:
    """The tab that goes from page to page."""
    page = opened(browser, console[0])
    yield page
    page.close()


def eventually(told: Callable[[], Any], wanted: Callable[[Any], bool]) -> Any:
    """What is told once it is as wanted, or the last that was told when patience ends."""
    deadline = time.monotonic() + PATIENCE_S
    while not wanted(found := told()) and time.monotonic() < deadline:
        time.sleep(0.3)
    return found


def press(page: Page, name: str, exact: bool = False) -> None:
    """Press a button once there is one of that name: while a page is drawn anew, the one before may still be there."""
    button = page.get_by_role("button", name=name, exact=exact)
    expect(button).to_have_count(1)
    button.click()


def look(page: Page, size: Size, theme: Theme) -> None:
    """Change size and theme in place, and wait until the console has followed."""
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.emulate_media(color_scheme=theme)
    page.wait_for_function(
        "wanted => getComputedStyle(document.querySelector('.stApp')).colorScheme == wanted", arg=theme
    )


def shoot(page: Page, name: str) -> None:
    """A screenshot of all of the page, where they are asked for."""
    if SHOTS:
        page.wait_for_timeout(2000)
        whole(page, Path(SHOTS) / f"{name}.png")


def readable(page: Page, name: str, looks: Sequence[tuple[Size, Theme]] = LOOKS) -> None:
    """In each look: nothing serious by axe, no faint word, nothing beside the screen, no exception."""
    for size, theme in looks:
        look(page, size, theme)
        shoot(page, f"{name}-{size[0]}-{theme}")
        rules = () if (size, theme) in FIRST_LOOKS else accessible.CONTRAST
        check = partial(accessible.findings, page, rules)
        assert eventually(check, lambda found: not found) == [], theme
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0], "nothing runs out of the screen"
        assert page.get_by_test_id("stException").count() == 0
    look(page, WIDE, "light")


@pytest.mark.parametrize("name", LANDMARK)
def test_every_page_can_be_read(name: str, tab: Page, state: Path) -> None:
    tab.get_by_test_id("stTopNavLink").filter(has_text=name).click()
    expect(tab.get_by_role("heading", name=f"Leadtime · {name}")).to_be_visible()
    expect(tab.get_by_test_id("stMain").get_by_text(LANDMARK[name]).first).to_be_visible()
    readable(tab, name.lower())
    assert "Traceback" not in (state / "console.log").read_text()


def test_what_unfolds_can_be_read(tab: Page) -> None:
    tab.get_by_test_id("stTopNavLink").filter(has_text="Fleet").click()
    tab.get_by_text("Table and download").click()
    expect(tab.get_by_role("button", name="Download CSV")).to_be_visible()
    press(tab, "Refresh")
    expect(tab.get_by_role("button", name="Refresh now")).to_be_visible()
    readable(tab, "unfolded", FIRST_LOOKS)


def test_a_plan_can_be_read(tab: Page) -> None:
    tab.get_by_test_id("stTopNavLink").filter(has_text="Plan").click()
    press(tab, "Plan", exact=True)
    expect(tab.get_by_text("Cost against attainment:")).to_be_visible(timeout=1000 * REPLAY_S)
    readable(tab, "planned", FIRST_LOOKS)


def edited(page: Page, field: str, value: str) -> None:
    """Change one field and validate; the differences and how to go on are there."""
    number = page.get_by_role("spinbutton", name=field)
    expect(number).to_be_visible()
    number.fill(value)
    number.press("Tab")
    press(page, "Validate")
    expect(page.get_by_text("Valid. This is what changes:")).to_be_visible()


def sign(page: Page, form: str, author: str, reason: str) -> None:
    """Author and reason of one form, by its key."""
    for part, text in (("author", author), ("reason", reason)):
        field = page.locator(f"[class*='st-key-{form}'][class*='-{part}'] input")
        field.fill(text)
        field.press("Tab")


def policy(api: str) -> dict[str, Any]:
    """The newest version."""
    found: dict[str, Any] = httpx.get(f"{api}/policies/chat").json()
    return found


def active(api: str) -> int:
    """Replicas of chat in rotation."""
    return int(httpx.get(f"{api}/services/chat").json()["replicas"]["active"])


@pytest.fixture
def policies(browser: Browser, console: tuple[str, str]) -> Iterator[Page]:
    """The policy of chat, by its link, in a tab of its own."""
    page = opened(browser, f"{console[0]}/policies?service=chat")
    yield page
    page.close()


def test_a_change_is_previewed_applied_and_moves_replicas(policies: Page, console: tuple[str, str]) -> None:
    api = console[1]
    wanted = active(api) + 3
    edited(policies, "Minimum [replicas]", str(wanted))
    expect(policies.locator("code").first).to_contain_text(f"min: {wanted}")
    press(policies, "Preview impact")
    expect(policies.get_by_text("What this rests on")).to_be_visible(timeout=1000 * REPLAY_S)
    readable(policies, "policies-previewed", FIRST_LOOKS)
    sign(policies, "apply", "ada", "a launch is coming")
    press(policies, "Apply as version 2")
    expect(policies.get_by_text("Version 2 is in force.")).to_be_visible()
    assert eventually(lambda: active(api), lambda found: found >= wanted) >= wanted
    assert (policy(api)["author"], policy(api)["reason"]) == ("ada", "a launch is coming")
    policies.goto(f"{console[0]}/service?service=chat")
    expect(policies.get_by_text(f"between {wanted} and 20").first).to_be_visible()


def test_a_second_editor_is_named_and_nothing_is_lost(policies: Page, console: tuple[str, str]) -> None:
    api = console[1]
    edited(policies, "Maximum [replicas]", "30")
    newest = policy(api)
    theirs = newest["policy"] | {"stale_after_s": 55}
    body = {"policy": theirs, "base_version": newest["version"], "author": "bob", "reason": "staler", "watch_s": 0}
    assert httpx.put(f"{api}/policies/chat", json=body).status_code == 200
    sign(policies, "apply", "ada", "room to grow")
    press(policies, "Apply as version")
    expect(policies.get_by_text("meanwhile bob applied version")).to_be_visible()
    readable(policies, "policies-conflict", FIRST_LOOKS)
    press(policies, "Carry my changes over")
    apply = policies.get_by_role("button", name=f"Apply as version {newest['version'] + 2}")
    expect(apply).to_be_visible()
    sign(policies, "apply", "ada", "room to grow")
    apply.click()
    expect(policies.get_by_text(f"Version {newest['version'] + 2} is in force.")).to_be_visible()
    both = policy(api)["policy"]
    assert (both["replicas"]["max"], both["stale_after_s"]) == (30, 55)


def test_a_promise_is_changed_by_two_people(policies: Page, browser: Browser, console: tuple[str, str]) -> None:
    before = policy(console[1])
    edited(policies, "TTFT target [s]", "2.50")
    expect(policies.get_by_text("A second person decides.")).to_be_visible()
    sign(policies, "apply", "ada", "longer prompts")
    press(policies, "Propose")
    expect(policies.get_by_text("Somebody other than ada has to approve it.")).to_be_visible()
    assert policy(console[1])["version"] == before["version"]
    other = opened(browser, f"{console[0]}/policies?service=chat")
    expect(other.get_by_text("Proposed by ada")).to_be_visible()
    readable(other, "policies-proposed", FIRST_LOOKS)
    approve = other.get_by_role("button", name="Approve and apply")
    sign(other, "decide", "ada", "I agree with myself")
    approve.click()
    expect(other.get_by_text("Nothing was decided.")).to_be_visible()
    sign(other, "decide", "bob", "agreed")
    approve.click()
    expect(other.get_by_text("is in force and on watch.")).to_be_visible()
    assert policy(console[1])["policy"]["slo"]["ttft_s"] == 2.5
    other.close()


def test_the_way_back_needs_one_person(policies: Page, console: tuple[str, str]) -> None:
    newest = policy(console[1])
    back = newest["version"] - 1
    policies.get_by_text("Roll back", exact=True).click()
    expect(policies.get_by_role("button", name=f"Roll back to version {back}")).to_be_visible()
    readable(policies, "policies-rollback", FIRST_LOOKS)
    sign(policies, "rollback", "bob", "not in an incident")
    press(policies, f"Roll back to version {back}")
    expect(policies.get_by_text(f"with the content of version {back}.")).to_be_visible()
    assert policy(console[1])["version"] == newest["version"] + 1
    assert policy(console[1])["policy"]["slo"]["ttft_s"] == 2.0


def test_a_policy_that_burns_its_budget_is_taken_back_by_its_watch(browser: Browser, console: tuple[str, str]) -> None:
    web, api = console
    page = opened(browser, f"{web}/policies?service=code")
    least = page.get_by_role("spinbutton", name="Minimum [replicas]")
    expect(least).to_be_visible()
    least.fill("1")
    edited(page, "Maximum [replicas]", "1")
    sign(page, "apply", "ada", "one will do")
    press(page, "Apply as version 2")
    expect(page.get_by_text("Version 2 is on watch, ")).to_be_visible()
    shoot(page, "policies-on-watch")
    expect(page.get_by_text("Taken back.")).to_be_visible()
    said = "rolled back to version 1: version 2 burns the error budget"
    expect(page.get_by_text(f"by leadtime: {said}")).to_be_visible()  # the page follows to version 3 by itself
    expect(least).to_have_value("2")
    readable(page, "policies-taken-back", FIRST_LOOKS)
    (entry,) = httpx.get(f"{api}/audit", params={"who": "leadtime"}).json()
    page.goto(f"{web}/audit?who=leadtime&entry={entry['seq']}")
    expect(page.get_by_role("heading", name=f"Entry {entry['seq']}: policy written, code")).to_be_visible()
    expect(page.get_by_text(f": {said}")).to_be_visible()
    shoot(page, "audit-taken-back")
    page.goto(web)
    expect(page.get_by_text("policy taken back: version 2 burns the error budget")).to_be_visible()
    page.close()


def process_of(state: Path, part: str) -> int:
    """The process of a part of ``leadtime up``, by its command."""
    wanted = [part.encode(), b"--config", bytes(state / "fleet.yaml")]
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if path.read_bytes().split(b"\0")[3:6] == wanted:
                return int(path.parent.name)
    raise AssertionError(f"no {part} is running from {state}")


@contextmanager
def standing_still(state: Path, part: str) -> Iterator[None]:
    """A part that does nothing and says nothing meanwhile."""
    process = process_of(state, part)
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def test_stale_data_is_grey_and_tells_its_age_until_it_is_fresh(
    browser: Browser, console: tuple[str, str], state: Path
) -> None:
    page = opened(browser, f"{console[0]}/service?service=summarize")
    fresh, grey = page.get_by_text("Fresh: "), page.locator("[class*='st-key-stale-']")
    expect(page.locator(".st-key-charts")).to_be_visible()
    with standing_still(state, "fleet"):
        expect(page.get_by_text(re.compile(r"Stale: \d+ s old"))).to_be_visible()
        expect(page.get_by_text("Data of summarize is stale (")).to_be_visible()
        expect(grey).to_have_count(3)
        expect(grey.first).to_have_css("filter", "grayscale(1)")
        readable(page, "service-stale", FIRST_LOOKS)
    expect(fresh).to_be_visible()
    expect(grey).to_have_count(0)
    with standing_still(state, "daemon"):
        expect(page.get_by_text(re.compile(r"No answer from the API.* what it answered .+ ago"))).to_be_visible()
        expect(page.get_by_test_id("stDataFrame").first).to_have_css("filter", "grayscale(1)")
        expect(page.get_by_text("(stale)").first).to_be_visible()
        shoot(page, "service-down")
    expect(fresh).to_be_visible()
    expect(page.locator(".st-key-charts")).to_be_visible()
    assert page.get_by_test_id("stException").count() == 0
    page.close()
