"""Baseline: at each event everything is listed, inspected and registered again, with the usual libraries.

python -m benchmarks.naive consul://127.0.0.1:PORT
"""

from __future__ import annotations

import sys

import consul
import docker

KEY = "naive"


def synchronise(engine: docker.DockerClient, catalogue: consul.Consul) -> None:
    """Register running containers, deregister the others."""
    wanted = set()
    for container in engine.containers.list(ignore_removed=True):
        env = dict(entry.partition("=")[::2] for entry in container.attrs["Config"]["Env"])
        for spec, bindings in container.attrs["NetworkSettings"]["Ports"].items():
            if not bindings or "SERVICE_NAME" not in env:
                continue
            key = f"{KEY}:{container.name}:{spec.partition('/')[0]}"
            wanted.add(key)
            catalogue.agent.service.register(
                env["SERVICE_NAME"],
                service_id=key,
                address="10.0.0.4",
                port=int(bindings[0]["HostPort"]),
                tags=env.get("SERVICE_TAGS", "").split(","),
            )
    for key in catalogue.agent.services():
        if key.startswith(f"{KEY}:") and key not in wanted:
            catalogue.agent.service.deregister(key)


def main() -> None:
    """Run forever."""
    host, _, port = sys.argv[-1].removeprefix("consul://").partition(":")
    engine, catalogue = docker.from_env(), consul.Consul(host=host, port=int(port))
    events = engine.events(decode=True, filters={"type": "container", "event": ["start", "die"]})
    synchronise(engine, catalogue)
    for _ in events:
        synchronise(engine, catalogue)


if __name__ == "__main__":
    main()
