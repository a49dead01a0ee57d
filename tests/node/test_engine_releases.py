"""Docker 26.1, 28.5 and 29 answer in different shapes, and the node software reads the same from them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from node import health
from swarmer.adapters import docker_json, raft_log, swarmkit
from swarmer.adapters import engine as adapter
from swarmer.adapters.docker import Engine
from swarmer.core import names
from swarmer.core.registration.options import Options
from swarmer.core.registration.services import plan
from swarmer.core.state import Container
from tests.node import engine_answers
from tests.node.engine_answers import ENGINES, WITHOUT_NETWORK, Answers

every_engine = pytest.mark.parametrize("release", ENGINES)


def answers_of(release: str) -> Answers:
    return ENGINES[release]()


def container(release: str, name: str) -> Container:
    return docker_json.container(answers_of(release)["inspect"][name])


class Recorded(Engine):
    """An engine that answers what was recorded."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers

    def swarm_state(self) -> str:
        return ""

    def ask_engine(self, method: str, path: str, body: object = None) -> Any:
        for beginning, key in (("/info", "info"), ("/images/", "image"), ("/services", "services")):
            if path.startswith(beginning):
                return self.answers[key]
        kinds = {"/nodes": "nodes", "/containers/json": "rows", "/networks": "ingress"}
        return self.answers[kinds[path.partition("?")[0]]]


# -- the answers themselves -----------------------------------------------------------------------


def test_the_recorded_answers_are_of_the_engines_that_they_are_called_after() -> None:
    for version in engine_answers.RECORDED:
        assert engine_answers.recorded(version)["version"]["Version"].startswith(version)


def test_29_has_no_address_but_those_of_its_networks() -> None:
    """API 1.52 removes the fields of the default bridge (moby, api/docs/CHANGELOG.md, v1.52)."""
    before, after = (answers_of(each)["inspect"]["plain"]["NetworkSettings"] for each in ("28.5", "29"))
    assert before["IPAddress"]
    assert not after.keys() & set(WITHOUT_NETWORK)
    assert after["Networks"]["bridge"]["IPAddress"] == before["IPAddress"]


# -- docker inspect -------------------------------------------------------------------------------


@every_engine
def test_a_container_on_the_default_bridge_has_its_address_port_and_health(release: str) -> None:
    found = container(release, "plain")
    (address,) = found.networks["bridge"]
    assert address.startswith("172.") or address.startswith("10.")
    ((port, (binding, *_)),) = found.ports.items()
    assert (port, binding.host_ip) == ("8080/tcp", "0.0.0.0")
    assert binding.host_port.isdigit()
    assert (found.name, found.image, found.labels["a"]) == ("answers-plain", "swarmer/probe", "b")
    assert "A=B" in found.env
    assert found.is_running
    assert found.health in ("starting", "healthy")


@every_engine
def test_a_task_of_a_swarm_has_the_address_of_its_overlay_and_its_labels(release: str) -> None:
    found = container(release, "task")
    (address,) = found.networks["answers-overlay"]
    assert re.fullmatch(r"[\d.]+", address)
    assert found.labels["com.docker.swarm.service.name"] == "answers-task"


@every_engine
def test_the_registrator_declares_the_containers_own_address_without_the_field_that_29_removed(
    release: str,
) -> None:
    found = container(release, "plain")
    (address,) = found.networks["bridge"]
    (declared,) = plan(found, Options(internal=True)).services
    assert (declared.address, declared.port) == (address, 8080)


@every_engine
def test_only_an_address_that_somebody_chose_is_a_chosen_one(release: str) -> None:
    """29.0 and 29.1 write the others as an empty text (moby, api/types/network/endpoint.go)."""
    read = {
        name: docker_json.host_container(raw).chosen_addresses
        for name, raw in answers_of(release)["inspect"].items()
        if name != "task"
    }
    assert read == {"plain": {}, "fixed": {"answers-net": "10.99.0.9"}}


@pytest.mark.parametrize("name", ["plain", "fixed", "task"])
def test_29_and_28_are_read_alike(name: str) -> None:
    old, new = (answers_of(release)["inspect"][name] for release in ("28.5", "29"))
    assert docker_json.host_container(new) == docker_json.host_container(old)
    as_read = [replace(docker_json.container(raw), document={}, address="") for raw in (old, new)]
    assert as_read[0] == as_read[1]


# -- lists, events, images ------------------------------------------------------------------------


@every_engine
def test_a_row_of_docker_ps_has_names_state_and_addresses(release: str) -> None:
    found = {each.names[0]: each for each in Recorded(answers_of(release)).containers()}
    plain, fixed = found["/answers-plain"], found["/answers-fixed"]
    assert (plain.state, fixed.addresses) == ("running", {"answers-net": "10.99.0.9"})
    assert any(port.endswith(":8080") for port in plain.ports)


@every_engine
def test_an_event_is_read_without_the_fields_that_29_removed(release: str) -> None:
    """API 1.52 removes `status`, `id` and `from` (moby/moby#50832)."""
    lines = [json.dumps(each).encode() for each in answers_of(release)["events"]]
    found = [event for event in map(adapter._event, lines) if event]
    assert len(found) == len(lines)
    started = [event for event in found if (event.kind, event.action) == ("container", "start")]
    assert "answers-plain" in {event.attributes["name"] for event in started}
    assert all(re.fullmatch("[0-9a-f]{64}", event.id) and event.time_ns > 10**18 for event in started)


@every_engine
def test_an_image_is_named_whatever_stores_it(release: str) -> None:
    """An image in containerd's store has no graph driver, and omits its empty fields (moby/moby#50893)."""
    assert Recorded(answers_of(release)).repo_tags("swarmer/probe") == ("swarmer/probe:latest",)


# -- the Swarm ------------------------------------------------------------------------------------


@every_engine
def test_the_engine_is_known_with_its_swarm_and_its_folder(release: str) -> None:
    found = Recorded(answers_of(release)).info()
    assert (found.data_folder, found.swarm.state, found.swarm.is_manager) == (
        "/var/lib/docker",
        "active",
        True,
    )
    assert found.swarm.id
    assert found.swarm.managers


@every_engine
def test_nodes_services_and_the_ingress_network_are_known(release: str) -> None:
    engine = Recorded(answers_of(release))
    assert [each.state for each in engine.nodes()] == ["ready"] * len(engine.nodes())
    assert any(each.is_leader for each in engine.nodes())
    (service,) = engine.services()
    assert (service.name, service.running_tasks) == ("answers-task", service.desired_tasks)
    assert len(engine._ingress_subnets()) == 1


# -- versions of the API --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "spoken"),
    [
        (engine_answers.recorded("26.1.5")["version"], "/v1.41"),
        (engine_answers.recorded("28.5.2")["version"], "/v1.41"),
        ({"ApiVersion": "1.52", "MinAPIVersion": "1.44"}, "/v1.44"),
        ({"ApiVersion": "1.52", "MinAPIVersion": "1.41"}, "/v1.41"),
        ({"ApiVersion": "1.54", "MinAPIVersion": "1.40"}, "/v1.41"),
    ],
    ids=["26.1", "28.5", "29.0", "29.0 with min-api-version", "29.3"],
)
def test_every_engine_is_asked_below_the_api_that_29_changed(
    answer: dict[str, str], spoken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`MaxAPIVersion` and `defaultMinAPIVersion` of daemon/config/config.go, at the tags of moby."""
    engine = Engine("tcp://127.0.0.1:1")
    monkeypatch.setattr(engine, "_plain", lambda method, target: answer)
    assert engine.api == spoken
    assert spoken < "/v1.52"


# -- files of the engine --------------------------------------------------------------------------


def test_what_is_read_of_dockerds_folder_is_swarms_whatever_stores_the_images() -> None:
    """containerd's store moves images and layers to /var/lib/containerd, and Swarm's state stays."""
    for path in (raft_log.FOLDER, swarmkit.CERTIFICATES):
        assert path.is_relative_to("/var/lib/docker/swarm")


def test_a_full_disk_is_noticed_where_either_store_keeps_images() -> None:
    """docs.docker.com/engine/storage/containerd (read 2026-11-30): images lie below /var/lib/containerd."""
    assert {"/var/lib/docker", "/var/lib/containerd"} <= set(health.WRITTEN_TO)


def test_the_node_software_speaks_the_api_of_the_oldest_client() -> None:
    assert names.DOCKER_API == (1, 41)
