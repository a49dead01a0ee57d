"""A Docker engine, its containers and events; `docker.py` adds the Swarm. Every failure is one `Unavailable`.

Docker's SDK is not used, because it costs a resident program 25 MB, and a function 60 ms of each cold start.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode

from swarmer.adapters import docker_json, http
from swarmer.adapters.http import Address, Connection, Response
from swarmer.core import names
from swarmer.core.state import Container, ContainerSummary, EngineInfo, SwarmNode, SwarmService

DEFAULT: Final = "unix:///var/run/docker.sock"
MOST_IDLE: Final = 4
"""Largest number of connections that are kept for the next burst."""
WATCHED: Final = {
    "type": ["container", "network", "service", "node"],
    "event": ["connect", "start", "die", "destroy", "rename", "health_status", "create", "update", "remove"],
}
"""Actions to watch, by kind. `connect` is for networks; `create` to `remove` are for services and nodes."""


class Unavailable(Exception):
    """The engine did not answer, or refused."""


class TimedOut(Unavailable):
    """The engine did not answer in time."""


class NotFound(Unavailable):
    """The engine has no object of that name."""


@contextmanager
def docker_shaped() -> Iterator[None]:
    """Raise Unavailable if the block finds JSON of another shape than Docker's."""
    try:
        yield
    except (TypeError, AttributeError, LookupError) as exc:
        raise Unavailable(f"an answer that is not Docker's: {exc!r}") from exc


def address(host: str, environment: Mapping[str, str]) -> Address:
    """Address from DOCKER_HOST (empty: the usual socket), DOCKER_TLS_VERIFY, DOCKER_CERT_PATH. Raises
    ValueError."""
    scheme, _, rest = (host or DEFAULT).partition("://")
    if scheme == "unix":
        return Address(path=f"/{rest.lstrip('/')}")
    name, _, port = rest.rstrip("/").rpartition(":")
    if scheme not in ("tcp", "http", "https") or not name or not port.isdigit():
        raise ValueError(f"DOCKER_HOST {host}: neither unix:///PATH nor tcp://HOST:PORT")
    folder = environment.get("DOCKER_CERT_PATH", "")
    verify = bool(environment.get("DOCKER_TLS_VERIFY"))
    if not verify and not folder and scheme != "https":
        return Address(host=name, port=int(port))
    files = {key: f"{folder}/{key}.pem" for key in ("ca", "cert", "key")} if folder else {}
    return Address(host=name, port=int(port), tls=files if verify else {**files, "insecure": "yes"})


@dataclass(frozen=True)
class Event:
    """Line of `docker events`."""

    kind: str
    """Kind of the object: container, network, service or node."""
    action: str
    """Name of the action: start, die, destroy, rename, `health_status: healthy`, connect …"""
    id: str
    attributes: Mapping[str, str]
    time_ns: int
    """Time by the engine's clock, in nanoseconds since the epoch."""


@dataclass
class Engine:
    """Client of one engine."""

    address: Address
    timeout_s: float = 20.0
    _connection: Connection = field(init=False)
    _idle: list[Connection] = field(default_factory=list)
    _api: str = ""

    def __post_init__(self) -> None:
        self._connection = Connection(self.address, self.timeout_s)

    @property
    def api(self) -> str:
        """Prefix of every path, for example `/v1.41`. Raises Unavailable."""
        if not self._api:
            found = _mapping(self._plain("GET", "/version"))
            highest, lowest = _version(found.get("ApiVersion")), _version(found.get("MinAPIVersion", "1.12"))
            # An older engine gets its own version. 29.0 to 29.2 refuse versions before 1.44.
            self._api = "/v{}.{}".format(*min(highest, max(names.DOCKER_API, lowest)))
        return self._api

    def ask_engine(self, method: str, path: str, body: object = None) -> Any:
        """JSON value of the API's answer. Raises NotFound, Unavailable."""
        return self._plain(method, f"{self.api}{path}", body)

    def _plain(self, method: str, target: str, body: object = None) -> Any:
        return _value(self._request(method, target, body), target.partition("?")[0])

    def _request(self, method: str, target: str, body: object = None) -> Response:
        try:
            response = self._connection.request(method, target, body)
        except http.Unavailable as exc:
            is_late = isinstance(exc.__cause__, TimeoutError)
            if not is_late:
                self._api = ""  # the next engine at this address may have another version
            raise (TimedOut if is_late else Unavailable)(f"docker: {exc}") from exc
        if response.status == 400:
            self._api = ""  # this is an engine's answer to an unsupported version
        return response

    def _get(self, path: str) -> Any:
        """JSON value of `path`; None if no object has that name."""
        try:
            return self.ask_engine("GET", path)
        except NotFound:
            return None

    def listed(self, path: str, **filters: list[str]) -> list[dict[str, Any]]:
        """Rows of a list of the API. Raises NotFound, Unavailable."""
        query = f"?{urlencode({'filters': json.dumps(filters)})}" if filters else ""
        found = self.ask_engine("GET", f"{path}{query}")
        if not isinstance(found, list):
            raise Unavailable("an answer that is not Docker's")
        return [_mapping(each) for each in found]

    def swarm_state(self) -> str:
        """State of the Swarm from the engine's answer to a ping: inactive, active/worker, pending …

        Empty if the engine is older than 23.0 (API 1.42). Raises Unavailable.
        """
        return self._request("GET", "/_ping").headers.get("swarm", "")

    def info(self) -> EngineInfo:
        """The engine, and its Swarm from its own point of view."""
        with docker_shaped():
            return docker_json.engine_info(_mapping(self._get("/info")))

    def containers(self, *, everything: bool = False) -> tuple[ContainerSummary, ...]:
        """Rows of `docker ps`, newest container first: running containers, or `everything`."""
        with docker_shaped():
            found = self.listed(f"/containers/json{'?all=1' if everything else ''}")
            return tuple(map(docker_json.container_summary, found))

    def service_ids(self) -> set[str]:
        """IDs of the Swarm services with containers on this engine."""
        rows = self.listed("/containers/json", label=["com.docker.swarm.service.id"])
        return {row["Labels"]["com.docker.swarm.service.id"] for row in rows}

    def inspect(self, container: str) -> Container | None:
        """Container by its ID or name; None if it does not exist."""
        found = self._get(_inspection(container))
        return None if found is None else docker_json.container(_mapping(found))

    def ask(self, container: str, row: str = "") -> Question:
        """Start `inspect` without waiting, because dockerd answers late about a container that it starts."""
        was_kept = bool(self._idle)
        connection = self._idle.pop() if was_kept else Connection(self.address, self.timeout_s)
        question = Question(self, container, connection, row, was_kept)
        question.send()
        return question

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next inspection."""
        if len(self._idle) < MOST_IDLE:
            self._idle.append(connection)
        else:
            connection.close()

    def repo_tags(self, image: str) -> tuple[str, ...]:
        """Names of an image, sorted."""
        found = self._get(f"/images/{quote(image, safe=':')}/json")
        return tuple(sorted(map(str, (found or {}).get("RepoTags") or ())))

    def services(self) -> tuple[SwarmService, ...]:
        """Services of the Swarm, with the number of their running tasks; only managers know them."""
        with docker_shaped():
            return tuple(map(docker_json.swarm_service, self.listed("/services?status=true")))

    def nodes(self, **filters: str) -> tuple[SwarmNode, ...]:
        """Nodes of the Swarm, filtered by the API: `role`, `name` (a prefix) …; only managers know them."""
        with docker_shaped():
            found = self.listed("/nodes", **{key: [value] for key, value in filters.items()})
            return tuple(map(docker_json.swarm_node, found))

    def events(self, since_ns: int) -> Events:
        """Stream of events from now on, after those since `since_ns` (0: none)."""
        self._api = ""  # the previous engine may have been another one
        return Events(self.address, self.api, since_ns, self.timeout_s)


@dataclass(eq=False)
class Question:
    """Running `inspect`."""

    engine: Engine
    container: str
    connection: Connection
    row: str = ""
    """Row of `docker ps` about the container, if that was the reason for the query."""
    was_kept: bool = False
    """Whether the connection was used before, so that the engine may have closed it meanwhile."""
    asked_s: float = field(default_factory=time.monotonic)
    _response: Response | None = None

    def send(self) -> None:
        """Send the query. Raises Unavailable."""
        try:
            self.connection.send("GET", f"{self.engine.api}{_inspection(self.container)}")
        except http.Unavailable as exc:
            self._send_again(exc)

    def _send_again(self, exc: http.Unavailable) -> None:
        if not self.was_kept:
            raise Unavailable(f"docker: {exc}") from exc
        self.was_kept = False
        self.send()

    def fileno(self) -> int:
        """File descriptor that becomes readable when the answer comes."""
        return self.connection.fileno()

    def is_answered(self) -> bool:
        """Whether the whole answer has arrived; does not wait. Raises Unavailable."""
        try:
            self._response = self.connection.poll()
        except http.Unavailable as exc:
            self._send_again(exc)
        return self._response is not None

    def answer(self) -> Container | None:
        """Result of `inspect` after the answer has arrived; None if no such container exists."""
        if self._response is None:
            return None
        self.engine.give_back(self.connection)
        try:
            return docker_json.container(_mapping(_value(self._response, self.container)))
        except NotFound:
            return None

    def drop(self) -> None:
        """Abandon the query."""
        self.connection.close()


class Events:
    """Stream of events, read when its descriptor is readable.

    The request is HTTP/1.0, because Go's server answers that with plain lines instead of chunks.
    """

    def __init__(self, address: Address, api: str, since_ns: int, timeout_s: float) -> None:
        query = f"filters={quote(json.dumps(WATCHED))}"
        if since_ns:
            query += f"&since={since_ns // 10**9}.{since_ns % 10**9:09}"
        try:
            self._socket = address.connect(timeout_s)
        except http.Unavailable as exc:
            raise Unavailable(f"docker: {exc}") from exc
        self._buffer = b""
        try:
            self._socket.sendall(f"GET {api}/events?{query} HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
            while b"\r\n\r\n" not in self._buffer:
                self._read()
        except (OSError, Unavailable) as exc:
            self.close()
            raise Unavailable(f"{address}: no events: {exc}") from exc
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        if b" 200 " not in head.split(b"\r\n")[0]:
            self.close()
            raise Unavailable(f"{address}: no events: {head.decode(errors='replace').splitlines()[0]}")
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """File descriptor for `select`."""
        return self._socket.fileno()

    def read(self) -> list[Event]:
        """Events that have arrived; it does not wait. Raises Unavailable if the stream ended."""
        try:
            while True:
                self._read()
        except OSError as exc:
            if not http.is_nothing_there(exc):
                raise Unavailable(f"the events ended: {exc}") from exc
        *lines, self._buffer = self._buffer.split(b"\n")
        return [event for event in map(_event, lines) if event]

    def close(self) -> None:
        self._socket.close()

    def _read(self) -> None:
        data = self._socket.recv(262144)
        if not data:
            raise Unavailable("the events ended")
        self._buffer += data


def _value(response: Response, about: str) -> Any:
    """JSON value of an answer. Raises NotFound, Unavailable."""
    if response.status >= 400:
        kind = NotFound if response.status == 404 else Unavailable
        raise kind(f"docker: {about}: {response.text()}")
    try:
        return response.json()
    except http.Unavailable as exc:
        raise Unavailable(f"docker: {exc}") from exc


def _version(text: object) -> tuple[int, int]:
    major, _, minor = str(text).partition(".")
    try:
        return int(major), int(minor)
    except ValueError as exc:
        raise Unavailable(f"docker: {text!r} is no version of its API") from exc


def _inspection(container: str) -> str:
    return f"/containers/{quote(container, safe='')}/json"


def _event(line: bytes) -> Event | None:
    """Event from one line; None if the line is no event."""
    try:
        raw = json.loads(line.decode(errors="replace"))
        actor = raw["Actor"]
        kind, action, time_ns = str(raw["Type"]), str(raw["Action"]), int(raw["timeNano"])
        return Event(kind, action, str(actor["ID"]), actor.get("Attributes") or {}, time_ns)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unavailable("an answer that is not Docker's")
    return value
