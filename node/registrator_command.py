"""Commands `swarmer registrator run` and `plan`, and the registrator of a node.

It imports little, because its start time counts.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from swarmer.adapters import docker_json
from swarmer.core.registration import Options, Plan, naming, options, plan
from swarmer.core.state import Container
from swarmer.core.validation import InvalidValue

if TYPE_CHECKING:
    from node.registrator import Registrator
    from swarmer.adapters.catalogue import Catalogue
    from swarmer.adapters.engine import Engine

USAGE: Final = """\
usage: swarmer registrator run [options] consul://HOST:PORT   declare what runs here, for ever
       swarmer registrator plan [options] < INSPECTED.json    what would be declared, and why not
       swarmer registrator -version

plan reads what `docker inspect` prints: one container, or a list of them.

options, with one dash or two:
  -hostname NAME          begins the ids of services [this host's name]
  -ip ADDRESS             the address of every service
  -internal               the containers' own addresses and ports
  -network NAME           with -internal: the network whose address is taken
  -explicit               only what has a SERVICE_NAME
  -useIpFromLabel LABEL   the address that this label of a container says
  -tags TEMPLATE          tags of every service; a Go template
  -deregister MODE        always, or on-success: what failed stays [always]
  -resync SECONDS         between two full comparisons [from time to time]
  -retry-attempts N       to reach Consul at the start, -1 for ever [-1]
  -retry-interval MS      between them [2000]
  -cleanup, -ttl S, -ttl-refresh S    accepted, without effect on Consul

run: DOCKER_HOST names the engine [unix:///var/run/docker.sock], CONSUL_HTTP_TOKEN is Consul's token;
consul-unix://PATH and consul-tls://HOST:PORT are understood too. See docs/reference/registrator.md.
"""
ON_NODE: Final = "on-node"
"""Command of swarmer-registrator.service."""
HELP: Final = ("-h", "-help", "--help")
"""Arguments that ask for the usage."""


def main(arguments: Sequence[str]) -> int:
    """Return the exit status: 0 success, 1 failure, 2 bad input (stderr has one line with the reason)."""
    command, *rest = arguments or ("",)
    if command in HELP or (rest and rest[0] in HELP):
        print(USAGE, end="")  # noqa: T201 - the requested output
        return 0
    if {command, *rest[:1]} & {"-version", "--version"}:
        print(_version())  # noqa: T201
        return 0
    try:
        if command == "plan":
            return show_plan(rest)
        if command == "run":
            return run(rest)
        if command == ON_NODE:
            return on_node()
    except ValueError as exc:
        return _complain(f"registrator {command}: {exc}")
    except KeyboardInterrupt:
        return 130
    print(USAGE, end="", file=sys.stderr)  # noqa: T201
    return 2


def _complain(text: str) -> int:
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    print(f"swarmer: {line}", file=sys.stderr)  # noqa: T201
    return 2


def _version() -> str:
    from importlib.metadata import version

    return version("swarmer")


# -- plan -------------------------------------------------------------------------------------


def show_plan(arguments: Sequence[str]) -> int:
    """Plan the containers on standard input: services to standard output, warnings to standard error. Raises
    InvalidValue."""
    values, rest = options.from_arguments(arguments)
    if rest:
        raise InvalidValue(
            f"{rest[0][:60]} is no option of plan", "plan takes options only, and standard input"
        )
    who = options.options(values, hostname=socket.gethostname(), address=_address(values))
    containers = _containers(sys.stdin.buffer.read())
    plans = [plan(each, who, peer=_peer(each, containers)) for each in containers]
    for container, found in zip(containers, plans, strict=True):
        _explain(container, found)
    json.dump([[service.to_json() for service in found.services] for found in plans], sys.stdout, indent=1)
    sys.stdout.write("\n")
    return 0


def _containers(data: bytes) -> list[Container]:
    try:
        found = json.loads(data.decode(errors="replace").removeprefix("\ufeff"))
    except RecursionError:
        raise InvalidValue(
            "standard input is nested too deeply", "give what `docker inspect` prints"
        ) from None
    except ValueError as exc:
        raise InvalidValue(f"standard input is no JSON: {exc}", "give what `docker inspect` prints") from None
    items = found if isinstance(found, list) else [found]
    for number, item in enumerate(items, 1):
        if not isinstance(item, Mapping) or not {"Id", "Config", "NetworkSettings"} & item.keys():
            which = f"item {number} of the list" if isinstance(found, list) else "standard input"
            raise InvalidValue(f"{which} is no container", "give what `docker inspect` prints")
    return [docker_json.container(item) for item in items]


def _peer(container: Container, containers: Sequence[Container]) -> Container | None:
    kind, _, other = container.network_mode.partition(":")
    if kind != "container" or not other:
        return None
    for each in containers:
        if each.id.startswith(other) or naming.container_name(each) == other:
            return each
    return None


def _explain(container: Container, found: Plan) -> None:
    if found.complaints or found.notes:
        text = f"{naming.container_name(container)}: {'; '.join((*found.complaints, *found.notes))}"
        print("".join(c if c.isprintable() else "?" for c in text[:1000]), file=sys.stderr)  # noqa: T201


# -- run --------------------------------------------------------------------------------------


def run(arguments: Sequence[str]) -> int:
    """Run for ever; end only if Consul stays silent for all attempts at the start. Raises ValueError."""
    from swarmer.adapters import catalogue, engine

    values, rest = options.from_arguments(arguments)
    if not rest:
        print(USAGE, end="", file=sys.stderr)  # noqa: T201
        return 2
    if len(rest) > 1:
        raise InvalidValue(
            f"{rest[1][:60]} stands behind {rest[0][:60]}", "put options before the address of Consul"
        )
    who = options.options(values, hostname=socket.gethostname(), address=_address(values))
    consul = catalogue.Catalogue(
        catalogue.address(rest[0], os.environ), os.environ.get("CONSUL_HTTP_TOKEN", "")
    )
    docker = engine.Engine(engine.address(os.environ.get("DOCKER_HOST", ""), os.environ))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if not _reach(consul, who):
        return 1
    _registrator(who, docker, consul, lambda: None).run()
    return 0


def _address(values: Mapping[str, Any]) -> str:
    """Return the address of this host's name; empty if the name does not resolve."""
    if values.get("ip"):
        return ""
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError:
        return ""


def _reach(consul: Catalogue, who: Options) -> bool:
    """Try to reach Consul, and repeat it as the options demand. The loop itself waits for ever."""
    from swarmer.adapters.catalogue import Refused, Unavailable

    for attempt in range(who.retry_attempts, -1, -1):
        try:
            consul.leader()
        except (Unavailable, Refused) as exc:
            _log(f"{exc}")
            if not attempt:
                return False
            time.sleep(who.retry_interval / 1000)
        else:
            return True
    return True


def _registrator(
    who: Options, docker: Engine, consul: Catalogue, notify_watchdog: Callable[[], None]
) -> Registrator:
    from node.registrator import Registrator

    return Registrator(who, docker, consul, _log, notify_watchdog)


def _log(text: str) -> None:
    print(f"swarmer: registrator: {text}", flush=True)  # noqa: T201 - its output


def on_node() -> int:
    """Run with the settings of node.json and the node's own Consul agent and engine."""
    from node.machine import notify_watchdog, read_machine
    from swarmer.adapters import catalogue, engine, http
    from swarmer.core import names

    machine = read_machine()
    who = options.from_description(
        machine.node.registrator,
        hostname=machine.name,
        address=machine.address,
        reserved=frozenset(names.OWN_SERVICES),
    )
    consul = catalogue.Catalogue(http.Address(host="127.0.0.1", port=names.CONSUL_HTTP_PORT))
    docker = engine.Engine(http.Address(path="/run/docker.sock"))
    _registrator(who, docker, consul, notify_watchdog).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
