"""The gateway's page."""

from __future__ import annotations

from collectors.exposition import parse
from collectors.gateway import WANTED, read_gateway, tenants_of
from collectors.observation import TenantSample

PAGE = """# TYPE leadtime_gateway_requests_held gauge
leadtime_gateway_requests_held{service="chat"} 4
leadtime_gateway_requests_held{service="code"} 0
leadtime_gateway_requests_rejected_total{service="chat"} 9
leadtime_gateway_requests_rejected_total{service="code"} 1
leadtime_gateway_requests_arrived_total{service="chat"} 100
"""


def test_services_are_told_apart() -> None:
    services, gaps = read_gateway(PAGE.encode(), 3.0)
    assert gaps == ()
    chat, code = services["chat"], services["code"]
    assert (chat.held, chat.rejected, chat.arrived, chat.at_s) == (4, 9, 100, 3.0)
    assert (code.held, code.rejected, code.arrived) == (0, 1, None)


def test_who_kept_the_promise_is_read_where_it_is_counted() -> None:
    counted = (
        PAGE
        + """leadtime_gateway_requests_ended_total{service="chat"} 90
leadtime_gateway_requests_attained_total{service="chat"} 80
"""
    )
    services, _ = read_gateway(counted.encode(), 3.0)
    assert (services["chat"].ended, services["chat"].attained) == (90, 80)
    assert services["code"].ended is None


def test_half_a_service_is_a_gap() -> None:
    services, gaps = read_gateway(b'leadtime_gateway_requests_held{service="chat"} 4\n', 3.0)
    assert services == {}
    assert (gaps[0].subject, gaps[0].reason) == ("chat", "leadtime_gateway_requests_rejected_total is missing")


def test_nan_is_a_gap() -> None:
    page = PAGE.replace('held{service="chat"} 4', 'held{service="chat"} NaN')
    services, gaps = read_gateway(page.encode(), 3.0)
    assert set(services) == {"code"}
    assert {gap.subject for gap in gaps} == {"chat"}


def test_an_empty_page_is_a_gap() -> None:
    assert read_gateway(b"", 3.0)[1][0].subject == "gateway"


def test_tenants_are_read_beside_the_services() -> None:
    counted = (
        PAGE
        + """leadtime_gateway_tenant_requests_total{tenant="acme"} 3
leadtime_gateway_tenant_tokens_total{tenant="acme"} 4500
leadtime_gateway_tenant_tokens_total{tenant="half"} 1
"""
    )
    page = parse(counted.encode(), WANTED)
    assert tenants_of(page, 3.0) == {"acme": TenantSample("acme", 3.0, 3, 4500)}
    services, gaps = read_gateway(counted.encode(), 3.0)
    assert (sorted(services), gaps) == (["chat", "code"], ())
