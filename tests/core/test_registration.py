"""Which Consul services a container is."""

from __future__ import annotations

from typing import Any

from swarmer.core import registration
from swarmer.core.registration import MARKER, Changes, Service


def container(
    *, image: str = "redis:7", ports: dict[str, Any] | None = None, **config: Any
) -> dict[str, Any]:
    return {
        "Name": "/redis.0",
        "Config": {"Image": image, **config},
        "NetworkSettings": {"Ports": {"6379/tcp": [{"HostPort": "32768"}]} if ports is None else ports},
    }


def services(**settings: Any) -> list[Service]:
    return registration.services(container(**settings), hostname="n1", address="10.0.0.4")


def test_a_published_port_is_a_service_named_by_its_image() -> None:
    assert services() == [
        Service(id="n1:redis.0:6379", name="redis", address="10.0.0.4", port=32768, meta={MARKER: "n1"})
    ]


def test_an_exposed_port_that_is_not_published_is_none() -> None:
    assert services(ports={"6379/tcp": None}) == []


def test_several_ports_carry_their_number_in_the_name() -> None:
    ports = {"3375/tcp": [{"HostPort": "1"}], "4000/tcp": [{"HostPort": "2"}]}
    assert [each.name for each in services(image="swarm", ports=ports)] == ["swarm-3375", "swarm-4000"]


def test_a_udp_port_is_told_apart_by_id_and_tag() -> None:
    ports = {"53/tcp": [{"HostPort": "53"}], "53/udp": [{"HostPort": "53"}]}
    tcp, udp = services(image="bind", ports=ports)
    assert (tcp.id, tcp.tags) == ("n1:redis.0:53", ())
    assert (udp.id, udp.tags) == ("n1:redis.0:53:udp", ("udp",))


def test_the_image_name_is_its_last_part_without_tag_digest_and_registry() -> None:
    for image in ("registry:5000/team/app:1.2", "app@sha256:ab", "app", "team/app:1@sha256:ab"):
        assert services(image=image)[0].name == "app"


def test_a_label_wins_over_the_environment_and_a_port_over_the_general() -> None:
    assert services(Env=["SERVICE_NAME=a"])[0].name == "a"
    assert services(Env=["SERVICE_NAME=a"], Labels={"SERVICE_NAME": "b"})[0].name == "b"
    assert services(Env=["SERVICE_6379_NAME=p"], Labels={"SERVICE_NAME": "b"})[0].name == "p"


def test_only_differences_are_written_and_only_own_entries_removed() -> None:
    mine, other = {MARKER: "n1"}, {MARKER: "n2"}
    kept = Service(id="kept", name="kept", address="a", port=1, meta=mine)
    new = Service(id="new", name="new", address="a", port=2, meta=mine)
    moved = Service(id="moved", name="moved", address="a", port=3, meta=mine)
    present = [
        kept,
        Service(id="moved", name="moved", address="a", port=4, meta=mine),
        Service(id="gone", name="gone", address="a", port=5, meta=mine),
        Service(id="theirs", name="theirs", address="a", port=6, meta=other),
        Service(id="registry", name="registry", address="a", port=5000),
    ]
    assert registration.compare([kept, new, moved], present, hostname="n1") == Changes(
        (moved, new), ("gone",)
    )
