"""The Policies page tells of the policy on watch, and takes a candidate from draft over shadow to promotion."""

from __future__ import annotations

import pytest

from app.console import shell
from tests.app.console.fake_api import World
from tests.app.console.fake_trials import watch
from tests.app.console.test_pages import Open, edited, signed, words

SERVICE = "chat-70b"


def plain(text: str) -> str:
    """Markdown without its escapes."""
    return text.replace("\\", "")


def test_without_trials_the_page_says_how_to_begin(open_page: Open) -> None:
    text = words(open_page("policies", service=SERVICE))
    assert "No candidate yet" in text and "on watch" not in text


def test_a_running_watch_tells_its_numbers(open_page: Open, world: World) -> None:
    world.watches[SERVICE] = watch(SERVICE, world.now(), missing_s=90.0)
    text = plain(words(open_page("policies", service=SERVICE)))
    assert "Version 2 is on watch, 20 m to go: 1.2 % of requests late, 0.4 % before" in text
    assert "at 6 times version 1 comes back by itself" in text
    assert "1 m 30 s longer, as nothing was measured" in text


def test_what_was_taken_back_is_an_error_and_what_passed_is_quiet(open_page: Open, world: World) -> None:
    said = "version 3: rolled back to version 1: it burns"
    world.watches[SERVICE] = watch(SERVICE, world.now(), outcome="rolled_back", said=said)
    at = open_page("policies", service=SERVICE)
    assert "Taken back." in at.error[0].value and "rolled back to version 1" in plain(at.error[0].value)
    version = world.watches[SERVICE].version
    for base in range(1, version + 2):
        world.add(SERVICE, world.versions(SERVICE)[-1].policy, base, "bob", "mended")
    shell.api().forget()
    assert not at.run().error  # somebody has changed the policy since
    world.watches[SERVICE] = watch(SERVICE, world.now(), outcome="passed", said="version 2 passed")
    shell.api().forget()
    assert not at.run().error


def test_a_draft_is_tried_in_shadow_and_promoted(open_page: Open, world: World) -> None:
    at = open_page("policies", service=SERVICE)
    edited(at, 3)
    at.text_input(key="apply-author").set_value("ada")
    at.text_input(key="apply-reason").set_value("try more").run()
    at.button(key="try").click().run()
    assert not at.exception
    text = plain(words(at))
    assert "Candidate 1 decides in shadow" in text and "$3.10 (12.0%) more" in text
    assert world.shadows[SERVICE].policy["replicas"]["min"] == 3 and len(world.versions(SERVICE)) == 1
    tables = [frame.value for frame in at.dataframe if "Policy" in frame.value]
    assert tables[0]["Attainment, estimated"].tolist() == ["98.71 %", "99.54 %"]
    at.text_input(key="shadow-author").set_value("ada")
    at.text_input(key="shadow-reason").set_value("it is better").run()
    at.button(key="promote").click().run()
    assert world.versions(SERVICE)[-1].policy["replicas"]["min"] == 3
    assert "Version 2 is in force and on watch" in words(at) and "promoted as version 2" in plain(words(at))
    assert "promote" not in [button.key for button in at.button]


def test_a_candidate_is_stopped_with_a_signature_only(open_page: Open, world: World) -> None:
    at = open_page("policies", service=SERVICE)
    edited(at, 3)
    at.text_input(key="apply-author").set_value("ada")
    at.text_input(key="apply-reason").set_value("try more").run()
    at.button(key="try").click().run()
    at.text_input(key="shadow-author").set_value("ada").run()
    at.button(key="stop").click().run()
    assert "Give a reason" in words(at)
    at.text_input(key="shadow-reason").set_value("seen enough").run()
    at.button(key="stop").click().run()
    assert not at.exception
    assert "stopped by ada: seen enough" in plain(words(at))


@pytest.mark.parametrize(("chosen", "seconds"), [("1 h", 3600.0), ("not watched", 0.0)])
def test_the_watch_is_chosen_when_applying(open_page: Open, world: World, chosen: str, seconds: float) -> None:
    at = open_page("policies", service=SERVICE)
    edited(at, 3)
    at.selectbox(key="apply-watch").set_value(chosen).run()
    signed(at, "apply", "peak tonight")
    assert world.watched_s == seconds
