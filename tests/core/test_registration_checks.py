"""The check of a service. Rules 34 to 39, and an image's HEALTHCHECK."""

from __future__ import annotations

from typing import Any

import pytest

from swarmer.core.registration import HEALTH_TTL
from tests.core.inspected import container, options, planned, published, service, services


def check(*env: str) -> Any:
    return service(container(env=[f"SERVICE_CHECK_{each}" for each in env])).check


def test_without_a_kind_there_is_no_check() -> None:
    assert check("INTERVAL=10s", "TIMEOUT=1s") is None


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        (["HTTP=/h"], {"HTTP": "http://10.0.0.4:32768/h", "Interval": "10s"}),
        (["HTTP=h", "INTERVAL=5s"], {"HTTP": "http://10.0.0.4:32768h", "Interval": "5s"}),
        (
            ["HTTP=/", "HTTP_METHOD=pOST", "TIMEOUT=1s"],
            {"HTTP": "http://10.0.0.4:32768/", "Method": "pOST", "Timeout": "1s", "Interval": "10s"},
        ),
        (
            ["HTTPS=/", "HTTPS_METHOD=PUT", "TLS_SKIP_VERIFY=1"],
            {
                "HTTP": "https://10.0.0.4:32768/",
                "Method": "PUT",
                "TLSSkipVerify": True,
                "Interval": "10s",
            },
        ),
        (["TCP=false"], {"TCP": "10.0.0.4:32768", "Interval": "10s"}),
        (["GRPC=1", "TLS_SKIP_VERIFY=1"], {"GRPC": "10.0.0.4:32768", "Interval": "10s"}),
        (
            ["GRPC=1", "GRPC_USE_TLS=1", "TLS_SKIP_VERIFY=1", "TIMEOUT=2s"],
            {
                "GRPC": "10.0.0.4:32768",
                "GRPCUseTLS": True,
                "TLSSkipVerify": True,
                "Timeout": "2s",
                "Interval": "10s",
            },
        ),
        (
            ["SCRIPT=nc $SERVICE_IP $SERVICE_PORT | grep x", "TIMEOUT=2s"],
            {"Args": ["/bin/sh", "-c", "nc 10.0.0.4 32768 | grep x"], "Interval": "10s"},
        ),
        (["CMD=/c"], {"Args": ["check-cmd", "0123456789ab", "6379", "/c"], "Interval": "10s"}),
        (["TTL=30s"], {"TTL": "30s"}),
        (
            ["TTL=1m30s", "INITIAL_STATUS=passing", "DEREGISTER_AFTER=1.5h"],
            {"TTL": "1m30s", "Status": "passing", "DeregisterCriticalServiceAfter": "1.5h"},
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_check_is_said_in_consuls_words(env: list[str], expected: dict[str, Any]) -> None:
    assert check(*env) == expected


def test_the_first_kind_that_is_set_wins() -> None:
    kinds = ["HTTP=/a", "HTTPS=/b", "CMD=c", "SCRIPT=d", "TTL=30s", "TCP=1", "GRPC=1"]
    words = ["HTTP", "HTTP", "Args", "Args", "TTL", "TCP", "GRPC"]
    for number, word in enumerate(words):
        assert word in check(*kinds[number:])
        assert word in check(*reversed(kinds[number:]))


@pytest.mark.parametrize("env", ["INTERVAL=10", "INTERVAL=abc", "INTERVAL=-5s", "INTERVAL=0s", "TIMEOUT=x"])
def test_a_bad_duration_costs_only_itself(env: str) -> None:
    found = planned(container(env=[f"SERVICE_CHECK_{env}", "SERVICE_CHECK_TCP=1"]))
    assert found.services[0].check == {"TCP": "10.0.0.4:32768", "Interval": "10s"}
    assert len(found.complaints) == 1


@pytest.mark.parametrize("env", ["TTL=30", "TTL=-1s", "TTL=9999999999h", "INITIAL_STATUS=good", "FOO=1"])
def test_what_consul_would_refuse_never_costs_the_service(env: str) -> None:
    found = planned(container(env=[f"SERVICE_CHECK_{env}"]))
    assert found.services[0].check is None
    if not env.startswith("INITIAL"):  # without a kind nobody looks at it
        assert len(found.complaints) == 1


def test_a_bad_initial_status_is_dropped() -> None:
    assert check("TCP=1", "INITIAL_STATUS=good") == {"TCP": "10.0.0.4:32768", "Interval": "10s"}


def test_a_general_check_applies_to_each_port_and_a_ports_to_one() -> None:
    env = ["SERVICE_CHECK_TCP=1", "SERVICE_80_CHECK_HTTP=/"]
    web, tls = services(container(ports=published("80/tcp", "443/tcp"), env=env))
    assert web.check is not None
    assert tls.check is not None
    assert ("HTTP" in web.check, "TCP" in tls.check) == (True, True)


def test_a_check_looks_at_an_ipv6_address_in_brackets_and_at_the_agents_own_where_there_is_none() -> None:
    inspected = container(env=["SERVICE_CHECK_HTTP=/"])
    six = service(inspected, options(ip="2001:db8::1")).check
    here = service(inspected, options(address="")).check
    assert six is not None
    assert here is not None
    assert (six["HTTP"], here["HTTP"]) == ("http://[2001:db8::1]:32768/", "http://127.0.0.1:32768/")


@pytest.mark.parametrize(
    ("word", "status"), [("healthy", "passing"), ("starting", "warning"), ("unhealthy", "critical")]
)
def test_a_healthcheck_is_the_state_of_a_check_of_its_own(word: str, status: str) -> None:
    log = [{"Output": "first"}, {"Output": "last"}]
    found = service(container(state={"Running": True, "Health": {"Status": word, "Log": log}}))
    assert (found.health, found.health_output) == (status, "last")
    assert found.to_json()["check"] == {"Name": "HEALTHCHECK", "TTL": HEALTH_TTL, "Status": status}


def test_a_container_may_have_both_kinds_of_check() -> None:
    state = {"Running": True, "Health": {"Status": "unhealthy"}}
    found = service(container(state=state, env=["SERVICE_CHECK_TCP=1"]))
    assert found.health == "critical"
    assert found.to_json()["check"] == {"TCP": "10.0.0.4:32768", "Interval": "10s"}


@pytest.mark.parametrize("health", [None, {}, {"Status": "none"}, "x", {"Status": "healthy", "Log": "x"}])
def test_odd_health_is_none_or_what_it_says(health: Any) -> None:
    found = service(container(state={"Running": True, "Health": health}))
    assert found.health in (None, "passing")
