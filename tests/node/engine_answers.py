"""Answers of real engines, recorded on a node of a running rehearsal, and what Docker 29 makes of them.

    python -m tests.node.engine_answers CONTAINER    writes tests/node/engines/VERSION.json

CONTAINER is a manager's. Record again when the node image gets another engine. No Debian suite has Docker 29,
so its answers are those of 28.5 with the changes that moby's changelog of the API and its source list.
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from swarmer.local import engine

FOLDER: Final = Path(__file__).parent / "engines"
RECORDED: Final = ("26.1.5", "28.5.2")
Answers = dict[str, Any]
"""Answers by the name of the question: `version`, `info`, `inspect`, `rows`, `image`, `events` …"""

RECORDER: Final = r"""
import http.client, json, socket, subprocess, time

def ask(path, *, lines=False):
    connection = http.client.HTTPConnection("docker")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect("/run/docker.sock")
    connection.request("GET", path)
    text = connection.getresponse().read().decode()
    return [json.loads(each) for each in text.splitlines()] if lines else json.loads(text)

def docker(*words):
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout.strip()

began = int(time.time()) - 1
docker("network", "create", "--subnet", "10.99.0.0/24", "answers-net")
docker("network", "create", "-d", "overlay", "--attachable", "answers-overlay")
plain = docker("run", "-d", "--name", "answers-plain", "-p", "8080", "--health-cmd", "true", "-l", "a=b",
               "-e", "A=B", "swarmer/probe", "sleep", "600")
fixed = docker("run", "-d", "--name", "answers-fixed", "--network", "answers-net", "--ip", "10.99.0.9",
               "swarmer/probe", "sleep", "600")
docker("service", "create", "-d", "--no-resolve-image", "--name", "answers-task", "--mode", "global",
       "--network", "answers-overlay", "--endpoint-mode", "dnsrr", "swarmer/probe", "sleep", "600")
for _ in range(100):
    task = docker("ps", "-q", "--no-trunc", "-f", "label=com.docker.swarm.service.name=answers-task")
    if task:
        break
    time.sleep(0.3)
time.sleep(1)
info, version = ask("/info"), ask("/version")
print(json.dumps({
    "version": {key: version[key] for key in ("Version", "ApiVersion", "MinAPIVersion")},
    "info": {key: info[key] for key in ("ID", "DockerRootDir", "Driver", "Swarm")},
    "inspect": {name: ask(f"/containers/{each}/json") for name, each in
                (("plain", plain), ("fixed", fixed), ("task", task))},
    "rows": [row for row in ask("/containers/json") if row["Id"] in (plain, fixed, task)],
    "image": ask("/images/swarmer/probe/json"),
    "events": ask(f"/events?since={began}&until={int(time.time()) + 1}", lines=True),
    "nodes": ask("/nodes"),
    "services": [row for row in ask("/services?status=true") if row["Spec"]["Name"] == "answers-task"],
    "ingress": [row for row in ask("/networks") if row["Name"] == "ingress"],
}))
docker("service", "rm", "answers-task")
docker("rm", "-f", "answers-plain", "answers-fixed")
docker("network", "rm", "answers-net")
for _ in range(50):
    if subprocess.run(["docker", "network", "rm", "answers-overlay"], capture_output=True).returncode == 0:
        break
    time.sleep(0.3)
"""
"""Program that a node runs. It asks in the newest version of the API, as the engine's own client does."""


@cache
def _recorded(version: str) -> str:
    return (FOLDER / f"{version}.json").read_text()


def recorded(version: str) -> Answers:
    """Answers of an engine, a copy for each caller."""
    answers: Answers = json.loads(_recorded(version))
    return answers


# -- what 29 changes ------------------------------------------------------------------------------

WITHOUT_NETWORK: Final = (
    *("Bridge", "HairpinMode", "LinkLocalIPv6Address", "LinkLocalIPv6PrefixLen", "SecondaryIPAddresses"),
    *("SecondaryIPv6Addresses", "EndpointID", "Gateway", "GlobalIPv6Address", "GlobalIPv6PrefixLen"),
    *("IPAddress", "IPPrefixLen", "IPv6Gateway", "MacAddress"),
)
"""Fields of `NetworkSettings` that API 1.52 no longer has (moby, api/docs/CHANGELOG.md, read 2026-11-30)."""
WITHOUT_IMAGE: Final = ("Cmd", "Entrypoint", "Env", "Labels", "OnBuild", "User", "Volumes", "WorkingDir")
"""Fields of an image's `Config` that API 1.52 omits if they are empty (the same changelog)."""


def as_29(answers: Answers) -> Answers:
    """Answers as Docker 29.1 gives them in API 1.52, with containerd's image store, its default."""
    changed = copy.deepcopy(answers)
    changed["version"] = {"Version": "29.1.3", "ApiVersion": "1.52", "MinAPIVersion": "1.44"}
    changed["info"]["Driver"] = "overlayfs"
    changed["inspect"] = {name: inspect_of_29(each) for name, each in answers["inspect"].items()}
    changed["rows"] = [row_of_29(each) for each in answers["rows"]]
    changed["image"] = image_of_29(answers["image"])
    changed["events"] = [without(each, "status", "id", "from") for each in answers["events"]]
    return changed


def inspect_of_29(raw: Mapping[str, Any]) -> dict[str, Any]:
    """`GET /containers/{id}/json` of 29.1."""
    networks = {name: _endpoint_of_29(each) for name, each in raw["NetworkSettings"]["Networks"].items()}
    settings = {**without(raw["NetworkSettings"], *WITHOUT_NETWORK), "Networks": networks}
    config = raw["Config"]
    return {
        **without(raw, "GraphDriver"),
        "Config": without(config, "MacAddress", *(() if config.get("OnBuild") else ("OnBuild",))),
        "HostConfig": without(raw["HostConfig"], "KernelMemoryTCP"),
        "NetworkSettings": settings,
        "Storage": {"RootFS": {"Snapshot": {"Name": "overlayfs"}}},
    }


def _endpoint_of_29(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Endpoint of one network.

    29.0 to 29.1 write an address that nobody chose as an empty text: `netip.Addr` with `omitempty`
    (api/types/network/endpoint.go of docker-v29.1.3; 29.7.2 has `omitzero`).
    """
    chosen = raw.get("IPAMConfig")
    if chosen is None:
        return dict(raw)
    return {**raw, "IPAMConfig": {"IPv4Address": "", "IPv6Address": "", **chosen}}


def row_of_29(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Row of `GET /containers/json` of 29.1. `Health` is new (moby/moby#50281)."""
    networks = {name: _endpoint_of_29(each) for name, each in raw["NetworkSettings"]["Networks"].items()}
    return {
        **raw,
        "NetworkSettings": {"Networks": networks},
        "Health": {"Status": "none", "FailingStreak": 0},
    }


def image_of_29(raw: Mapping[str, Any]) -> dict[str, Any]:
    """`GET /images/{name}/json` of 29.1, without empty fields. containerd's store has no graph driver."""
    empty = [key for key in ("Parent", "Comment", "DockerVersion", "Author") if not raw.get(key)]
    config = raw.get("Config") or {}
    unset = [key for key in WITHOUT_IMAGE if not config.get(key)]
    return {**without(raw, *empty, "GraphDriver"), "Config": without(config, *unset)}


def without(raw: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """Copy without some keys."""
    return {key: value for key, value in raw.items() if key not in keys}


ENGINES: Final[Mapping[str, Callable[[], Answers]]] = {
    "26.1": lambda: recorded("26.1.5"),
    "28.5": lambda: recorded("28.5.2"),
    "29": lambda: as_29(recorded("28.5.2")),
}
"""Answers by release."""


def main() -> None:
    """Record the answers of the engine in the node container that the command line names."""
    (container,) = sys.argv[1:]
    said = engine.docker("exec", "-i", container, "/opt/swarmer/bin/python", "-", stdin=RECORDER.encode())
    answers = json.loads(said)
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{answers['version']['Version'].partition('+')[0]}.json"
    path.write_text(json.dumps(answers, indent=1, sort_keys=True) + "\n")
    print(path)  # noqa: T201


if __name__ == "__main__":
    main()
