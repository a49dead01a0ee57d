"""Containers as `docker inspect` prints them, as far as the registrator reads them."""

from __future__ import annotations

from typing import Any

from swarmer.adapters import docker_json
from swarmer.core.registration import Options, Plan, Service, plan

ID = "0123456789ab" + "c" * 52
PUBLISHED = {"6379/tcp": [{"HostIp": "0.0.0.0", "HostPort": "32768"}]}


def container(
    *,
    image: str = "redis:7",
    name: str = "/redis.0",
    ports: Any = PUBLISHED,
    env: Any = (),
    labels: Any = None,
    exposed: Any = None,
    mode: str = "default",
    networks: Any = None,
    state: Any = None,
    **more: Any,
) -> dict[str, Any]:
    """One container that publishes 6379 on 32768, unless said otherwise."""
    return {
        "Id": ID,
        "Name": name,
        "State": {"Running": True} if state is None else state,
        "Config": {"Image": image, "Env": list(env), "Labels": labels, "ExposedPorts": exposed},
        "HostConfig": {"NetworkMode": mode},
        "NetworkSettings": {"Ports": ports, "Networks": networks or {}},
        **more,
    }


def options(**values: Any) -> Options:
    """Options of the host n1 at 10.0.0.4."""
    return Options(**{"hostname": "n1", "address": "10.0.0.4", **values})


def planned(
    inspected: dict[str, Any], who: Options | None = None, *, peer: dict[str, Any] | None = None, **more: Any
) -> Plan:
    other = docker_json.container(peer) if peer else None
    return plan(docker_json.container(inspected), who or options(), peer=other, **more)


def services(inspected: dict[str, Any], who: Options | None = None, **more: Any) -> list[Service]:
    return list(planned(inspected, who, **more).services)


def service(inspected: dict[str, Any], who: Options | None = None, **more: Any) -> Service:
    """The only one."""
    (found,) = services(inspected, who, **more)
    return found


def published(*specs: str) -> dict[str, Any]:
    """`80/tcp` on 20080, and so on."""
    return {
        spec: [{"HostIp": "0.0.0.0", "HostPort": str(20000 + int(spec.partition("/")[0]))}] for spec in specs
    }
