"""Values from the JSON of Docker's API.

Only `container` accepts any JSON, because `swarmer registrator plan` reads an operator's input. The other
functions raise TypeError, AttributeError or LookupError for JSON of another shape than Docker's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from swarmer.core.state import (
    Container,
    ContainerSummary,
    EngineInfo,
    HostContainer,
    PortBinding,
    ServicePort,
    SwarmNode,
    SwarmService,
    SwarmStatus,
)


def engine_info(raw: Mapping[str, Any]) -> EngineInfo:
    """Engine from `GET /info`. Its Swarm's state is empty for an engine without Swarm."""
    swarm = raw.get("Swarm") or {}
    return EngineInfo(
        id=str(raw.get("ID") or ""),
        data_folder=str(raw.get("DockerRootDir") or ""),
        swarm=_swarm_status(swarm),
        claims_control=bool(swarm.get("ControlAvailable")),
    )


def _swarm_status(raw: Mapping[str, Any]) -> SwarmStatus:
    return SwarmStatus(
        state=str(raw.get("LocalNodeState") or ""),
        # `docker info` reports a manager without a quorum as in control, and adds an error.
        is_manager=bool(raw.get("ControlAvailable")) and not raw.get("Error"),
        error=raw.get("Error", ""),
        id=(raw.get("Cluster") or {}).get("ID", ""),
        node=raw.get("NodeID", ""),
        managers=tuple(each["Addr"].rpartition(":")[0] for each in raw.get("RemoteManagers") or ()),
    )


def swarm_node(raw: Mapping[str, Any]) -> SwarmNode:
    """Node from one row of `GET /nodes`."""
    manager = raw.get("ManagerStatus") or {}
    return SwarmNode(
        id=raw["ID"],
        name=raw["Description"].get("Hostname", ""),
        role=raw["Spec"]["Role"],
        state=raw["Status"]["State"],
        availability=raw["Spec"]["Availability"],
        reachability=manager.get("Reachability") or "unknown" if manager else "",
        is_leader=bool(manager.get("Leader")),
        address=manager.get("Addr", "").rpartition(":")[0],
    )


def swarm_service(raw: Mapping[str, Any]) -> SwarmService:
    """Service from one row of `GET /services?status=true`."""
    spec, status = raw["Spec"], raw.get("ServiceStatus") or {}
    container = (spec.get("TaskTemplate") or {}).get("ContainerSpec") or {}
    return SwarmService(
        id=raw["ID"],
        name=spec["Name"],
        env=tuple(container.get("Env") or ()),
        labels={**(container.get("Labels") or {}), **(spec.get("Labels") or {})},
        ports=tuple(map(_service_port, (raw.get("Endpoint") or {}).get("Ports") or ())),
        running_tasks=status.get("RunningTasks"),
        desired_tasks=status.get("DesiredTasks") or 0,
    )


def _service_port(raw: Mapping[str, Any]) -> ServicePort:
    return ServicePort(
        protocol=raw.get("Protocol", "tcp"),
        target=raw["TargetPort"],
        published=raw.get("PublishedPort") or 0,
        is_ingress=raw.get("PublishMode", "ingress") == "ingress",
    )


def container_summary(raw: Mapping[str, Any]) -> ContainerSummary:
    """Container from one row of `GET /containers/json`."""
    networks = (raw.get("NetworkSettings") or {}).get("Networks") or {}
    return ContainerSummary(
        id=raw["Id"],
        names=tuple(raw.get("Names") or ()),
        state=raw.get("State") or "",
        status=raw.get("Status") or "",
        ports=tuple(
            f"{each.get('PublicPort', '')}:{each.get('PrivatePort', '')}" for each in raw.get("Ports") or ()
        ),
        addresses={name: (each or {}).get("IPAddress") or "" for name, each in networks.items()},
    )


def host_container(raw: Mapping[str, Any]) -> HostContainer:
    """Container of this machine from the output of `docker inspect`."""
    networks = raw["NetworkSettings"]["Networks"]
    chosen = {name: (each.get("IPAMConfig") or {}).get("IPv4Address") for name, each in networks.items()}
    return HostContainer(
        id=raw["Id"],
        name=raw["Name"].removeprefix("/"),
        labels=raw["Config"]["Labels"] or {},
        is_running=raw["State"]["Running"],
        started_at=raw["State"]["StartedAt"],
        chosen_addresses={name: address for name, address in chosen.items() if address},
    )


# -- docker inspect ---------------------------------------------------------------------------


def container(raw: Mapping[str, Any]) -> Container:
    """Container from the output of `docker inspect`. Parts of another shape than Docker's count as empty."""
    config, state = _mapping(raw.get("Config")), _mapping(raw.get("State"))
    settings = _mapping(raw.get("NetworkSettings"))
    env, labels, health = config.get("Env"), config.get("Labels"), _mapping(state.get("Health"))
    last = _mapping(next(reversed(_sequence(health.get("Log"))), None))
    return Container(
        id=_text(raw.get("Id")),
        name=_text(raw.get("Name")).removeprefix("/"),
        image=_text(config.get("Image")),
        image_id=_text(raw.get("Image")),
        document=raw,
        env=tuple(each for each in _sequence(env) if isinstance(each, str)),
        labels={key: each for key, each in _mapping(labels).items() if isinstance(each, str)},
        not_text=tuple(_not_text(env, labels)),
        exposed_ports=tuple(_mapping(config.get("ExposedPorts"))),
        ports={port: _bindings(each) for port, each in _mapping(settings.get("Ports")).items()},
        network_mode=_text(_mapping(raw.get("HostConfig")).get("NetworkMode")),
        networks={name: _addresses(each) for name, each in _mapping(settings.get("Networks")).items()},
        address=_text(settings.get("IPAddress")),
        is_running=bool(state.get("Running", True)) and not state.get("Restarting") and not state.get("Dead"),
        has_exited=state.get("Status") == "exited",
        exit_status=_exit_status(state.get("ExitCode")),
        health=_text(health.get("Status")),
        health_output=_text(last.get("Output")),
    )


def _not_text(env: object, labels: object) -> Iterator[str]:
    if labels and not isinstance(labels, Mapping):
        yield "Config.Labels"
    yield from (str(key) for key, each in _mapping(labels).items() if not isinstance(each, str))
    yield from (str(each) for each in _sequence(env) if not isinstance(each, str))


def _bindings(raw: object) -> tuple[PortBinding, ...]:
    found = (_mapping(each) for each in _sequence(raw))
    return tuple(
        PortBinding(host_ip=_text(each.get("HostIp")), host_port=_text(each.get("HostPort")))
        for each in found
    )


def _addresses(raw: object) -> tuple[str, ...]:
    found = (_text(_mapping(raw).get(key)) for key in ("IPAddress", "GlobalIPv6Address"))
    return tuple(address for address in found if address)


def _mapping(raw: object) -> Mapping[str, Any]:
    return raw if isinstance(raw, Mapping) else {}


def _sequence(raw: object) -> list[Any]:
    return list(raw) if isinstance(raw, list | tuple) else []


def _text(raw: object) -> str:
    return str(raw or "")


def _exit_status(raw: object) -> int:
    text = str(raw)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
