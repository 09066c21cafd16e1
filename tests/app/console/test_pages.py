"""Every page against the fake API, in every state it can be in; run by Streamlit's own test harness."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from app.console import policy_hands, shell
from tests.app.console.fake_api import World

Open = Callable[..., AppTest]

PAGES = ["fleet", "service", "forecasts", "decisions", "gpus", "plan", "policies"]


def words(at: AppTest) -> str:
    """All text on the page."""
    return "\n".join(
        str(e.value) for kind in (at.title, at.markdown, at.error, at.warning, at.info, at.success) for e in kind
    )


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("mode", ["normal", "stale", "young", "empty", "error"])
def test_no_page_breaks_in_any_state(open_page: Open, world: World, name: str, mode: str) -> None:
    world.mode = mode
    at = open_page(name)
    assert not at.exception
    assert "Leadtime" in words(at)


@pytest.mark.parametrize("name", PAGES)
def test_without_an_api_one_line_names_the_address_and_the_command(
    open_page: Open, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("LEADTIME_API", "http://127.0.0.1:9")
    at = open_page(name)
    assert not at.exception
    assert [e.value for e in at.error] == [at.error[0].value]
    assert "http://127.0.0.1:9" in at.error[0].value
    assert "leadtime up" in at.error[0].value


def test_fleet_shows_six_tiles_and_a_row_per_service(open_page: Open) -> None:
    at = open_page("fleet")
    assert [m.label for m in at.metric] == [
        "Worst attainment",
        "\\$ per 1M tokens",
        "GPUs busy/held/idle",
        "Replicas → wanted",
        "Standby ready",
        "Risk of shortfall",
    ]
    assert list(at.dataframe[0].value["service"]) == [
        f"service?service={name}" for name in ("chat-70b", "code-34b", "summarize-8b", "embed-1b")
    ]


def test_fleet_shows_shared_gpus_and_why_they_are_held(open_page: Open, world: World) -> None:
    at = open_page("fleet")
    line = at.dataframe[1].value.iloc[0]
    assert (line["rack"], line["services"], line["held"], line["used"], line["lent"]) == (
        "h100-shared",
        "summarize-8b, embed-1b",
        10,
        6,
        4,
    )
    assert "apart they would need 14" in words(at)


def test_without_racks_nothing_is_said_of_them(open_page: Open, world: World) -> None:
    world.mode = "empty"
    assert "Shared GPUs" not in words(open_page("fleet"))


def test_header_says_the_virtual_time_and_its_speed(open_page: Open, world: World) -> None:
    world.speed = 60.0
    text = words(open_page("fleet"))
    assert "Fri 15 Jan 2027 08:00:00 UTC" in text
    assert "60× real time" in text


def test_stale_data_is_named(open_page: Open, world: World) -> None:
    world.mode = "stale"
    fleet = open_page("fleet")
    assert "Stale: 2 m old" in words(fleet)
    assert all(m.delta.endswith("(stale)") for m in fleet.metric)
    assert "the controller holds" in open_page("service").warning[0].value


def test_service_follows_the_query_string_and_draws_its_charts(open_page: Open) -> None:
    at = open_page("service", service="code-34b")
    assert at.selectbox(key="service").value == "code-34b"
    assert len(at.get("vega_lite_chart")) == 9


def test_service_shows_what_a_replica_carries_and_its_lead_times(open_page: Open) -> None:
    at = open_page("service", service="code-34b")
    assert "13 % less than its pool's entry says" in words(at)
    tables = [list(table.value.columns) for table in at.dataframe]
    assert any("factor" in columns for columns in tables) and any("measured" in columns for columns in tables)


def test_forecasts_state_their_finding_and_draw_it(open_page: Open) -> None:
    at = open_page("forecasts", service="summarize-8b", span="6 h")
    assert at.selectbox(key="service").value == "summarize-8b"
    assert re.search(r"## P95 kept [\d.]+ % over the last 6 h.+as promised", words(at))
    assert len(at.get("vega_lite_chart")) == 4
    assert len([e for e in at.expander if e.label == "Table and download"]) == 4
    assert [m.label for m in at.metric][:2] == ["P95 kept", "P99 kept"]
    assert at.dataframe[0].value["expert"].tolist()


def test_forecasts_are_judged_at_the_horizon_chosen(open_page: Open) -> None:
    assert "windows of 3 m" in captions(open_page("forecasts"))
    assert "windows of 30 m" in captions(open_page("forecasts", ahead="30 m"))


def test_a_failed_fit_is_told_with_its_reason(open_page: Open) -> None:
    at = open_page("forecasts", service="code-34b")
    assert "took longer than 120 s" in at.warning[0].value
    assert next(m for m in at.metric if m.label == "Model fitted").delta.endswith("last fit failed")


def test_before_the_first_forecast_the_page_says_what_it_needs(open_page: Open, world: World) -> None:
    world.mode = "young"
    at = open_page("forecasts")
    assert "No complete observation of chat-70b yet" in words(at).replace("\\", "")
    assert "No forecast can be judged yet" in words(at)
    assert "it needs one complete observation" in words(at)
    assert not at.get("vega_lite_chart")


def test_decisions_tell_which_constraint_bound(open_page: Open) -> None:
    at = open_page("service")
    told = [e.value for e in at.markdown if "| Constraint |" in e.value]
    assert told
    assert all(text.count("**binds**") == 1 for text in told)


def test_the_timeline_leads_to_one_decision_and_decides_it_again(open_page: Open) -> None:
    at = open_page("decisions", service="chat-70b", at="1799999000")
    chosen = next(s for s in at.selectbox if s.label == "Turn")
    assert "chat-70b" in str(chosen.value) or float(str(chosen.value).rpartition("-")[2]) <= 1799999000
    assert len(at.get("vega_lite_chart")) == 2
    assert "**Why not more?** one more if P95" in words(at)
    assert "**Why not fewer?** one fewer in 90 s" in words(at)
    next(b for b in at.button if b.label == "Decide again").click().run()
    assert "bit for bit" in at.success[0].value


def test_all_services_are_on_the_timeline_and_can_be_filtered(open_page: Open) -> None:
    at = open_page("decisions", span="6 h")
    assert len(next(s for s in at.selectbox if s.label == "Turn").options) > 20
    at.selectbox(key="binding").set_value("forecast").run()
    assert not at.exception
    assert all(option.endswith("forecast") for option in next(s for s in at.selectbox if s.label == "Turn").options)


def test_gpus_are_mapped_and_what_is_missing_is_named(open_page: Open) -> None:
    at = open_page("gpus", colour="Temperature")
    assert len(at.get("vega_lite_chart")) == 1
    assert "no answer within 4 s" in at.warning[0].value
    assert at.dataframe[-1].value["asks for"].tolist() == ["reboot_node"]
    at.toggle(key="trouble").set_value(True).run()
    assert "on 2 nodes" in words(at)


def test_a_plan_shows_the_front_and_the_pools(open_page: Open, world: World) -> None:
    at = open_page("plan", service="chat-70b")
    assert "press Plan" in at.info[0].value
    at.number_input(key="what-if/chat-70b/1/replicas.max").set_value(6).run()
    at.selectbox(key="model").set_value("meta-llama/Llama-3.1-70B").run()
    at.button(key="plan").click().run()
    assert not at.exception
    assert world.plans[-1].policy["replicas"]["max"] == 6
    assert len(at.get("vega_lite_chart")) == 1
    assert at.dataframe[-1].value["pool"].tolist() == ["H200 fp8 TP2"]
    at.number_input(key="what-if/chat-70b/1/replicas.max").set_value(7).run()
    assert "Plan again" in captions(at)
    at.button(key="plan-replay").click().run()
    assert "Over 1 d" in words(at)


def test_policy_goes_from_edit_over_diff_to_applied_and_back(open_page: Open, world: World) -> None:
    at = open_page("policies", service="chat-70b")
    edited(at, 3)
    assert at.dataframe[0].value.to_dict("records") == [{"field": "replicas.min", "now": "1", "new": "3"}]
    signed(at, "apply", "peak tonight")
    assert world.versions("chat-70b")[-1].policy["replicas"]["min"] == 3
    assert world.versions("chat-70b")[-1].reason == "peak tonight"
    assert "Version 2 is in force." in words(at)
    signed(at, "rollback", "peak is over")
    assert world.versions("chat-70b")[-1].policy == world.versions("chat-70b")[0].policy


def test_a_draft_is_replayed_and_says_what_it_rests_on(open_page: Open, world: World) -> None:
    at = open_page("policies", service="chat-70b")
    edited(at, 3)
    at.segmented_control(key="impact-span").set_value("Last 7 d").run()
    at.button(key="preview").click().run()
    assert world.asked == ["7d"]
    assert "**More in time, for more.**" in words(at) and "+ 32 GPU-hours" in words(at)
    assert "Overrides are not replayed" in words(at)
    edited(at, 4)
    assert "Preview it again" in captions(at)


def test_what_needs_a_second_person_is_proposed_and_approved_by_one(open_page: Open, world: World) -> None:
    at = open_page("policies", service="chat-70b")
    next(n for n in at.number_input if n.label.startswith("TTFT target")).set_value(1.5).run()
    next(b for b in at.button if b.label == "Validate").click().run()
    assert "A second person decides" in at.warning[0].value
    assert "apply" not in [b.key for b in at.button]
    at.text_input(key="apply-author").set_value("ada")
    at.text_input(key="apply-reason").set_value("faster").run()
    at.button(key="propose").click().run()
    assert "Somebody other than ada" in words(at)
    for author, told in (("ada", "Nothing was decided"), ("bob", "version 2 is in force")):
        at.text_input(key="decide-p0-author").set_value(author)
        at.text_input(key="decide-p0-reason").set_value("fine").run()
        at.button(key="approve-p0").click().run()
        assert told in words(at)
    assert world.versions("chat-70b")[-1].policy["slo"]["ttft_s"] == 1.5


def test_an_outdated_proposal_cannot_be_approved_but_refused(open_page: Open, world: World) -> None:
    at = open_page("policies", service="chat-70b")
    next(n for n in at.number_input if n.label.startswith("TTFT target")).set_value(1.5).run()
    next(b for b in at.button if b.label == "Validate").click().run()
    at.text_input(key="apply-author").set_value("ada")
    at.text_input(key="apply-reason").set_value("faster").run()
    at.button(key="propose").click().run()
    world.add("chat-70b", world.versions("chat-70b")[-1].policy, 1, "eve", "other")
    shell.api().forget()
    at.run()
    assert "another version came since" in words(at)
    assert "approve-p0" not in [b.key for b in at.button]
    at.text_input(key="decide-p0-author").set_value("bob")
    at.text_input(key="decide-p0-reason").set_value("overtaken").run()
    at.button(key="refuse-p0").click().run()
    assert world.proposals[0].state == "refused"


def test_an_invalid_draft_is_told_by_field_and_cannot_be_applied(open_page: Open) -> None:
    at = open_page("policies", service="chat-70b")
    edited(at, 99)
    assert "min 99 is greater than max 12" in at.error[0].value
    assert "apply" not in [b.key for b in at.button]


def test_nothing_is_applied_without_author_and_reason(open_page: Open, world: World) -> None:
    at = open_page("policies", service="chat-70b")
    edited(at, 2)
    at.button(key="apply").click().run()
    assert "Say who you are" in at.error[0].value
    at.text_input(key="apply-author").set_value("ada").run()
    at.button(key="apply").click().run()
    assert "Give a reason" in at.error[0].value
    assert len(world.versions("chat-70b")) == 1


def test_a_conflict_keeps_the_draft_and_carries_it_over(open_page: Open, world: World) -> None:
    at = open_page("policies", service="chat-70b")
    edited(at, 4)
    policy = world.versions("chat-70b")[-1].policy
    theirs = policy | {"replicas": policy["replicas"] | {"max": 20}}
    world.add("chat-70b", theirs, 1, "bob", "more room")
    signed(at, "apply", "peak tonight")
    assert "Nothing was applied" in words(at)
    assert "bob applied version 2" in words(at)
    next(b for b in at.button if b.label.startswith("Carry my changes")).click().run()
    signed(at, "apply", "peak tonight")
    assert world.versions("chat-70b")[-1].policy["replicas"] == theirs["replicas"] | {"min": 4}


def test_an_untouched_form_follows_the_policy_in_force(open_page: Open, world: World) -> None:
    at = open_page("policies", service="chat-70b")
    world.add("chat-70b", {**world.versions("chat-70b")[-1].policy, "mode": "off"}, 1, "bob", "stop")
    shell.api().forget()
    at.run()
    assert not at.error
    assert mode_of(at) == "off"


def test_a_change_after_validation_asks_for_validation_again(open_page: Open) -> None:
    at = open_page("policies", service="chat-70b")
    edited(at, 2)
    minimum(at, 3)
    assert "Validate again" in at.warning[0].value


def held(at: AppTest, what: str, reason: str) -> None:
    """Fill the form of what is held by hand, and hold it."""
    at.selectbox(key="hand-kind").set_value(what).run()
    at.text_input(key="hand-author").set_value("ada").run()
    at.text_input(key="hand-reason").set_value(reason).run()


def test_a_service_is_pinned_by_hand_and_let_go(open_page: Open, world: World) -> None:
    at = open_page("policies", service="chat-70b")
    held(at, policy_hands.KINDS["pin"], "load test")
    at.number_input(key="hand-replicas").set_value(3).run()
    at.button(key="hand").click().run()
    made = world.overrides[-1]
    assert (made.service, made.kind, made.replicas, made.author) == ("chat-70b", "pin", 3, "ada")
    assert "pinned to 3 until 2027-01-15" in words(at)
    at.button(key="lift").click().run()
    assert world.overrides[-1].lifted_by == "ada"
    assert "is over" in words(at)


def test_the_fleet_is_frozen_and_what_the_api_refuses_is_told(open_page: Open, world: World) -> None:
    at = open_page("policies", service="chat-70b")
    held(at, policy_hands.WHOLE_FLEET, "incident 7")
    at.button(key="hand").click().run()
    assert world.overrides[-1].service is None
    held(at, policy_hands.KINDS["at_least"], "launch")
    at.number_input(key="hand-replicas").set_value(99).run()
    at.button(key="hand").click().run()
    assert "Nothing is held. The API refused" in words(at)


def test_the_fleet_is_frozen_on_its_page_and_every_page_says_so(open_page: Open, world: World) -> None:
    at = open_page("fleet")
    at.text_input(key="freeze-author").set_value("ada")
    at.text_input(key="freeze-reason").set_value("incident 7").run()
    at.button(key="freeze").click().run()
    assert world.overrides[-1].service is None and world.overrides[-1].kind == "freeze"
    assert "by ada: incident 7" in at.warning[0].value
    assert "Frozen until 01-15" in words(open_page("gpus"))
    at.button(key="freeze-lift").click().run()
    assert world.overrides[-1].lifted_by == "ada"
    assert "The freeze is over" in words(at)


def test_refreshing_can_be_paused_and_the_header_says_so(open_page: Open) -> None:
    at = open_page("fleet")
    at.segmented_control(key="refresh").set_value("Paused").run()
    assert not at.exception
    assert "Paused" in words(at)


def captions(at: AppTest) -> str:
    """The small print."""
    return "\n".join(str(e.value) for e in at.caption)


def minimum(at: AppTest, value: int) -> None:
    """Set the minimum of replicas in the form."""
    next(n for n in at.number_input if n.label == "Minimum [replicas]").set_value(value).run()


def edited(at: AppTest, value: int) -> None:
    """Set the minimum and validate."""
    minimum(at, value)
    next(b for b in at.button if b.label == "Validate").click().run()
    assert not at.exception


def signed(at: AppTest, form: str, reason: str) -> None:
    """Sign a form and send it."""
    at.text_input(key=f"{form}-author").set_value("ada")
    at.text_input(key=f"{form}-reason").set_value(reason).run()
    at.button(key=form).click().run()
    assert not at.exception


def mode_of(at: AppTest) -> str:
    """The mode in the form."""
    return str(next(s for s in at.selectbox if s.label == "Mode").value)
