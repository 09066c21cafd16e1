"""Every refusal that was recorded becomes the exception whose handling fits; every success none."""

from __future__ import annotations

import pytest

from runtime.kubernetes import errors
from runtime.kubernetes.errors import LONGEST, error_of
from tests.runtime.kubernetes.recordings import NAMES, body, recording

EXPECTED = {
    (400, "BadRequest"): errors.Refused,
    (401, "Unauthorized"): errors.Unauthorized,
    (403, "Forbidden"): errors.Forbidden,
    (404, "NotFound"): errors.NotFound,
    (404, None): errors.NotServed,
    (409, "AlreadyExists"): errors.AlreadyExists,
    (410, "Expired"): errors.Gone,
    (415, "UnsupportedMediaType"): errors.Refused,
    (422, "Invalid"): errors.Invalid,
    (429, "TooManyRequests"): errors.BudgetBlocked,
    (500, None): errors.Unavailable,
    (504, "Timeout"): errors.Unavailable,
}
REFUSED = [name for name in NAMES if recording(name)["response"]["status"] >= 400]


def error(name: str) -> errors.KubeError:
    return error_of(recording(name)["response"]["status"], body(name))


@pytest.mark.parametrize("name", REFUSED)
def test_every_refusal_is_told_apart(name: str) -> None:
    said = error(name)
    reason = body(name).get("reason") if isinstance(body(name), dict) else None
    if reason == "Conflict":
        owned = "FieldManagerConflict" in str(body(name).get("details"))
        assert type(said) is (errors.FieldManagerConflict if owned else errors.Conflict)
    else:
        assert type(said) is EXPECTED[said.status, reason]
    assert str(said) and "\n" not in str(said) and len(str(said)) <= LONGEST


def test_a_conflict_has_three_meanings() -> None:
    kinds = {type(error(name)) for name in ("scale-put-stale", "scale-apply-conflict", "lease-create-lost")}
    assert kinds == {errors.Conflict, errors.FieldManagerConflict, errors.AlreadyExists}


def test_a_message_that_quotes_the_whole_object_is_shortened() -> None:
    name = "scale-patch-invalid-type"
    assert len(body(name)["message"]) > 2 * LONGEST
    assert str(error(name)).endswith("of type int32")


def test_a_missing_crd_is_not_a_missing_object() -> None:
    assert type(error("scalingpolicy-list-no-crd")) is errors.NotServed
    assert type(error("scale-get-not-found")) is errors.NotFound


def test_a_blocked_eviction_names_the_budget_and_no_time() -> None:
    said = error("eviction-blocked")
    assert "vllm-llama-3-3-70b needs 2 healthy pods" in str(said) and said.retry_after_s is None


def test_a_throttled_call_says_for_how_long_in_header_or_body() -> None:
    assert error_of(429, {"reason": "TooManyRequests"}, "7").retry_after_s == 7
    assert error("list-from-the-future").retry_after_s == 1
    assert error_of(429, {"reason": "TooManyRequests"}, "Wed, 21 Oct 2026 07:28:00 GMT").retry_after_s is None


def test_a_quota_is_forbidden_and_says_which() -> None:
    assert "exceeded quota: gpus" in str(error("pod-create-quota-exceeded"))
