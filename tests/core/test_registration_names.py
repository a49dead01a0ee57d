"""Names of services: names, IDs, tags, attributes. Rules 7 to 14, 21 to 26, 32."""

from __future__ import annotations

import json

import pytest

from swarmer.core import names
from swarmer.core.registration import CONTAINER, MARKER, Service, routing_mesh
from tests.core.inspected import container, options, planned, published, service, services

OWN = {MARKER: "n1", CONTAINER: "0123456789ab"}


def test_a_published_port_is_a_service_named_by_its_image() -> None:
    assert services(container()) == [
        Service(id="n1:redis.0:6379", name="redis", address="10.0.0.4", port=32768, meta=OWN)
    ]


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("registry:5000/team/app:1.2", "app"),
        ("redis:7@sha256:229a", "redis"),
        ("redis@sha256:229a", "redis"),
        ("app", "app"),
        ("team/app:1@sha256:ab", "app"),
        ("localhost:5000/a/b/", "b"),
    ],
)
def test_the_default_name_is_the_last_part_of_the_images_name(image: str, name: str) -> None:
    assert service(container(image=image)).name == name


@pytest.mark.parametrize("image", ["sha256:229a" + "0" * 60, "229a00000000"])
def test_a_container_of_an_images_id_is_called_like_the_image_else_like_its_service(image: str) -> None:
    full = {"Image": "sha256:229a" + "0" * 60}
    named = service(container(image=image, **full), repo_tags=("team/app:2", "team/app:1"))
    assert named.name == "app"
    compose = container(image=image, labels={"com.docker.compose.service": "web"}, **full)
    assert service(compose).name == "web"
    swarm = container(image=image, labels={"com.docker.swarm.service.name": "shop_web"}, **full)
    assert service(swarm).name == "shop_web"
    assert service(container(image=image, **full)).name == "229a00000000"


def test_an_image_whose_name_looks_like_a_number_keeps_it() -> None:
    assert service(container(image="cafe", Image="sha256:229a")).name == "cafe"


def test_only_keys_that_begin_with_service_in_capitals_count() -> None:
    assert service(container(env=["service_name=x", "XSERVICE_NAME=x", "SERVICE"])).name == "redis"
    assert service(container(env=["SERVICE_nAmE=x"])).name == "x"


def test_a_value_may_have_equals_signs_and_an_entry_without_one_is_ignored() -> None:
    assert service(container(env=["SERVICE_NAME=a=b"])).name == "a=b"
    assert service(container(env=["SERVICE_NAME"])).name == "redis"


def test_a_label_wins_over_the_environment() -> None:
    assert service(container(env=["SERVICE_NAME=a"], labels={"SERVICE_NAME": "b"})).name == "b"
    assert service(container(env=["SERVICE_6379_NAME=a"], labels={"SERVICE_6379_NAME": "b"})).name == "b"


def test_a_ports_key_wins_over_the_general_one_wherever_each_stands() -> None:
    assert service(container(env=["SERVICE_6379_NAME=p"], labels={"SERVICE_NAME": "b"})).name == "p"
    assert service(container(env=["SERVICE_NAME=b", "SERVICE_6379_NAME=p", "SERVICE_NAME=c"])).name == "p"


def test_a_ports_key_names_the_container_port_as_text() -> None:
    assert service(container(env=["SERVICE_06379_NAME=x", "SERVICE_32768_NAME=y"])).name == "redis"
    assert service(container(env=["SERVICE_80=foo"])).meta == {**OWN, "80": "foo"}
    assert service(container(env=["SERVICE_9_REGION=x"])).meta == OWN


def test_both_protocols_of_a_port_share_its_keys() -> None:
    both = services(container(image="bind", ports=published("53/tcp", "53/udp"), env=["SERVICE_53_NAME=dns"]))
    assert [each.name for each in both] == ["dns", "dns"]


def test_an_empty_value_counts_as_unset_but_an_empty_port_key_hides_the_general_one() -> None:
    assert service(container(env=["SERVICE_NAME=", "SERVICE_ID=", "SERVICE_IGNORE="])).name == "redis"
    assert service(container(env=["SERVICE_TAGS=a", "SERVICE_6379_TAGS="])).tags == ()


def test_what_is_left_is_metadata_but_checks_and_ignore() -> None:
    env = [
        "SERVICE_REGION=us2",
        "SERVICE_CHECK_HTTP=/",
        "SERVICE_IGNORE=",
        "SERVICE_TAGS=x",
        "SERVICE_Zone=b",
    ]
    assert service(container(env=env)).meta == {**OWN, "region": "us2", "zone": "b"}


@pytest.mark.parametrize(
    "pair",
    [
        "SERVICE_a.b=c",
        "SERVICE_=x",
        f"SERVICE_{'k' * 129}=x",
        f"SERVICE_LONG={'v' * 513}",
        "SERVICE_CONSUL-X=1",
    ],
)
def test_metadata_that_consul_refuses_is_dropped_and_told_never_the_service(pair: str) -> None:
    found = planned(container(env=[pair, "SERVICE_REGION=us2"]))
    assert found.services[0].meta == {**OWN, "region": "us2"}
    assert len(found.complaints) == 1


def test_metadata_cannot_pretend_to_be_somebody_elses() -> None:
    assert service(container(env=[f"SERVICE_{MARKER}=other"])).meta == OWN


def test_no_more_pairs_than_consul_takes() -> None:
    found = planned(container(labels={f"SERVICE_K{number}": "v" for number in range(5000)}))
    assert len(found.services[0].meta) == 64
    assert found.services[0].meta.items() >= OWN.items()
    assert len(found.complaints) == 1
    assert len(found.complaints[0]) < 300


def test_several_ports_carry_their_number_in_the_name() -> None:
    two = published("3375/tcp", "4000/tcp")
    assert [each.name for each in services(container(image="swarm", ports=two))] == [
        "swarm-3375",
        "swarm-4000",
    ]
    web = container(ports=published("80/tcp", "443/tcp"), env=["SERVICE_NAME=web", "SERVICE_80_NAME=http"])
    assert [each.name for each in services(web)] == ["http", "web-443"]


def test_an_empty_name_of_a_port_is_the_default_without_a_number() -> None:
    web = container(ports=published("80/tcp", "443/tcp"), env=["SERVICE_80_NAME="])
    assert [each.name for each in services(web)] == ["redis", "redis-443"]


def test_an_unpublished_port_is_no_member_of_the_group_an_ignored_one_is() -> None:
    assert service(container(ports={**published("80/tcp"), "443/tcp": None})).name == "redis"
    found = service(container(ports=published("80/tcp", "443/tcp"), env=["SERVICE_443_IGNORE=1"]))
    assert found.name == "redis-80"


def test_a_udp_port_is_told_apart_by_id_and_tag() -> None:
    tcp, udp = services(container(image="bind", ports=published("53/tcp", "53/udp")))
    assert (tcp.id, tcp.name, tcp.tags) == ("n1:redis.0:53", "bind-53", ())
    assert (udp.id, udp.name, udp.tags) == ("n1:redis.0:53:udp", "bind-53", ("udp",))


def test_an_id_of_ones_own_replaces_all_of_it() -> None:
    udp = container(ports=published("53/udp"), env=["SERVICE_ID=mine"])
    assert service(udp).id == "mine"
    two = container(ports=published("80/tcp", "443/tcp"), env=["SERVICE_80_ID=mine"])
    assert [each.id for each in services(two)] == ["mine", "n1:redis.0:443"]


def test_one_id_for_two_ports_costs_neither_of_them() -> None:
    found = planned(container(ports=published("80/tcp", "443/tcp"), env=["SERVICE_ID=mine"]))
    assert [each.id for each in found.services] == ["mine", "n1:redis.0:443"]
    assert len(found.complaints) == 1


def test_sctp_looks_like_tcp_but_does_not_replace_it() -> None:
    ids = [each.id for each in services(container(ports=published("80/tcp", "80/sctp")))]
    assert len(set(ids)) == 2


@pytest.mark.parametrize("text", ["a//b", "../a", "a/./b", "/a"])
def test_an_id_that_could_not_be_removed_again_is_not_taken(text: str) -> None:
    found = planned(container(env=[f"SERVICE_ID={text}"]))
    assert found.services[0].id == "n1:redis.0:6379"
    assert len(found.complaints) == 1


def test_an_id_that_another_service_of_the_node_has_is_not_taken() -> None:
    found = planned(container(env=["SERVICE_ID=registry"]), options(reserved=frozenset(("registry",))))
    assert found.services[0].id == "n1:redis.0:6379"
    assert len(found.complaints) == 1
    assert service(container(env=["SERVICE_ID=registry"])).id == "registry"


@pytest.mark.parametrize("own", names.OWN_SERVICES)
def test_no_container_is_answered_for_a_service_of_the_cluster(own: str) -> None:
    """`docker run -p 5001:5000 registry:2`, for example: half of all pulls would go to it."""
    here = options(reserved=frozenset(names.OWN_SERVICES))
    found = planned(container(image=f"{own}:2"), here)
    assert found.services[0].name == f"{own}-6379"
    assert len(found.complaints) == 1
    assert service(container(env=[f"SERVICE_NAME={own.upper()}"]), here).name == f"{own.upper()}-6379"
    assert service(container(image=f"{own}:2")).name == own


def test_nor_is_what_swarm_publishes() -> None:
    value = {"nodes": ["N"], "services": [{"name": "registry", "ports": {"5000/tcp": 5001}}]}
    (found,) = routing_mesh.services(json.dumps(value), "N", options(reserved=frozenset(names.OWN_SERVICES)))
    assert found.name == "registry-5000"


def test_without_a_host_name_the_id_begins_with_the_ports_address() -> None:
    ports = {"80/tcp": [{"HostIp": "10.1.1.1", "HostPort": "8000"}]}
    assert service(container(ports=ports), options(hostname="")).id == "10.1.1.1:redis.0:80"


@pytest.mark.parametrize("name", ["a.b", "sp ace", "x" * 64, "ü"])
def test_a_name_that_dns_cannot_serve_is_declared_and_told(name: str) -> None:
    found = planned(container(env=[f"SERVICE_NAME={name}"]))
    assert found.services[0].name == name
    assert len(found.complaints) == 1


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        (r"foo,bar\,baz", ("foo", "bar,baz")),
        (r",,\,,", (",",)),
        (" a , b ", (" a ", " b ")),
        ("a,a", ("a", "a")),
        ("", ()),
    ],
)
def test_tags_are_split_at_commas_that_have_no_backslash(text: str, tags: tuple[str, ...]) -> None:
    assert service(container(env=[f"SERVICE_TAGS={text}"])).tags == tags


def test_a_ports_tags_replace_the_general_ones() -> None:
    assert service(container(env=["SERVICE_TAGS=a", "SERVICE_6379_TAGS=b"])).tags == ("b",)
