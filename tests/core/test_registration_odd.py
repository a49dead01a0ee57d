"""Odd input: what is sound is declared, whatever stands beside it, and nothing raises."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmer.core.registration import Options
from swarmer.core.registration.templates import Template
from tests.core.inspected import container, options, planned, service

TEXT = st.text(st.characters(), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    [
        *("NAME", "ID", "TAGS", "IGNORE", "NETWORK", "X", "6379_NAME", "6379_CHECK_SCRIPT", ""),
        *("CHECK_HTTP", "CHECK_TTL", "CHECK_INTERVAL", "CHECK_TCP", "CHECK_TIMEOUT"),
        *("CHECK_INITIAL_STATUS", "CHECK_NONSENSE"),
    ]
)
SETTINGS = st.dictionaries(KEYS.map("SERVICE_{}".format), TEXT | st.just("1s"), max_size=8)
WHO = st.builds(
    Options,
    hostname=TEXT,
    ip=st.sampled_from(["", "10.9.9.9"]),
    internal=st.booleans(),
    explicit=st.booleans(),
    use_ip_from_label=st.sampled_from(["", "SERVICE_X"]),
    tags=st.sampled_from(["", "a,{{ .Name }}", "{{ .Config.Env.x }}"]).map(Template),
)


def assert_sound(inspected: Any, who: Options) -> None:
    """Everything that Consul's agent checks at a registration."""
    found = planned(inspected, who)
    assert len({each.id for each in found.services}) == len(found.services)
    for each in found.services:
        assert each.name
        assert 0 < each.port < 65536
        assert each.address not in ("0.0.0.0", "::")
        assert len(each.meta) <= 64
        for key, value in each.meta.items():
            assert re.fullmatch(r"[A-Za-z0-9_-]{1,128}", key)
            assert len(value.encode()) <= 512
        json.dumps(each.to_json(), ensure_ascii=False).encode()  # Consul returns the sent value


@given(SETTINGS, SETTINGS, WHO)
def test_any_value_of_any_key_is_declared_soundly(
    env: dict[str, str], labels: dict[str, str], who: Options
) -> None:
    both = container(env=[f"{key}={value}" for key, value in env.items()], labels=labels)
    assert_sound(both, who)


@given(JSON, JSON, JSON, JSON, JSON, WHO)
def test_any_shape_of_any_part_does_not_raise(a: Any, b: Any, c: Any, d: Any, e: Any, who: Options) -> None:
    odd = {
        "Id": a,
        "Name": b,
        "State": c,
        "Config": {"Image": d, "Env": a, "Labels": b, "ExposedPorts": c},
        "HostConfig": {"NetworkMode": e},
        "NetworkSettings": {"Ports": {"80/tcp": d, "81/tcp": [e], "82": [{"HostPort": a}]}, "Networks": e},
    }
    for part in (odd, {**odd, "Config": a}, {**odd, "NetworkSettings": b}, {**odd, "HostConfig": c}):
        planned(part, who)


def test_bytes_that_are_no_utf8_are_replaced_wherever_they_stand() -> None:
    odd = "a\udcff"
    found = service(
        container(
            name=f"/{odd}",
            env=[f"SERVICE_TAGS={odd}", f"SERVICE_X={odd}", f"SERVICE_CHECK_HTTP=/{odd}"],
            image=f"team/{odd}",
        ),
        options(tags=Template("{{ .Name }}")),
    )
    json.dumps(found.to_json(), ensure_ascii=False).encode()


def test_a_host_name_whose_bytes_are_no_utf8_makes_ids_that_consul_takes() -> None:
    found = service(container(), options(hostname="a\udcff"))
    assert found.id.startswith("a?:")
    json.dumps(found.to_json(), ensure_ascii=False).encode()


@pytest.mark.parametrize("empty", [{}, {"Config": None, "NetworkSettings": None, "State": None}])
def test_a_container_that_says_nothing_is_nothing(empty: dict[str, Any]) -> None:
    assert planned(empty).services == ()


def test_thousands_of_labels_and_ports_take_no_time() -> None:
    labels = {f"SERVICE_{port}_K{key}": "v" for port in range(1, 200) for key in range(50)}
    ports = {f"{port}/tcp": [{"HostPort": str(port)}] for port in range(1, 200)}
    began_s = time.process_time()
    found = planned(container(labels=labels, ports=ports))
    assert len(found.services) == 199
    assert time.process_time() - began_s < 1


def test_what_is_wrong_at_every_port_is_said_once() -> None:
    ports = {f"{port}/tcp": [{"HostPort": str(port)}] for port in range(1, 20)}
    assert len(planned(container(ports=ports, env=["SERVICE_CHECK_FOO=1"])).complaints) == 1
