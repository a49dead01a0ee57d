"""Services of one Consul agent, for the registrator. Every failure is `Unavailable` or `Refused`.

All other modules use `consul.py`. The registrator does not, because py-consul opens a connection for each
call, and costs 20 MB.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from swarmer.adapters import consul_json, http
from swarmer.adapters.http import Address, Connection, Response
from swarmer.core.registration import Entry
from swarmer.core.registration.differences import signature
from swarmer.core.service import Service

NOTES: Final = "declared by swarmer-registrator, "
"""Prefix of the notes of our checks. The rest is the definition of the check, because Consul does not return
it."""
WATCH_S: Final = 300
DEFAULT_PORT: Final = 8500


class Unavailable(Exception):
    """Consul did not answer, or cannot do it now."""


class Refused(Exception):
    """The agent rejects the request, and will reject it again."""


def address(uri: str, environment: Mapping[str, str]) -> Address:
    """Address from consul://HOST:PORT, consul:, consul-unix://PATH or consul-tls://HOST:PORT. Raises
    ValueError."""
    scheme, _, rest = uri.partition(":")
    place = rest.removeprefix("//").rstrip("/")
    if scheme == "consul-unix" and place:
        return Address(path=f"/{place.lstrip('/')}")
    if scheme not in ("consul", "consul-tls"):
        raise ValueError(f"{uri}: take consul://HOST:PORT, consul-tls://HOST:PORT or consul-unix://PATH")
    if not place:
        given = environment.get("CONSUL_HTTP_ADDR") or f"127.0.0.1:{DEFAULT_PORT}"
        if given.startswith("unix://"):
            return Address(path=given.removeprefix("unix://"))
        place = given.partition("://")[2] or given
    host, mark, port = place.rpartition(":") if not place.endswith("]") else (place, "", "")
    host, port = (host, port) if mark else (place, str(DEFAULT_PORT))
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"{uri}: {place} is not HOST:PORT")
    tls = None
    if scheme == "consul-tls":
        names = {"ca": "CONSUL_CACERT", "cert": "CONSUL_CLIENT_CERT", "key": "CONSUL_CLIENT_KEY"}
        tls = {key: environment[name] for key, name in names.items() if environment.get(name)}
    return Address(host=host.strip("[]"), port=int(port), tls=tls)


@dataclass
class Catalogue:
    """Services of one agent, and keys of Consul."""

    address: Address
    token: str = ""
    timeout_s: float = 10.0
    connection: Connection = field(init=False)
    """Connection that is kept. If it is cut, the agent went away."""

    def __post_init__(self) -> None:
        headers = {"X-Consul-Token": self.token} if self.token else {}
        self.connection = Connection(self.address, self.timeout_s, headers)

    def leader(self) -> str:
        """`address:port` of Consul's leader; empty if there is none."""
        return str(_json(self._ask("GET", "/v1/status/leader")) or "")

    def entries(self) -> list[Entry]:
        """Every entry of the agent, including entries of other programs."""
        services = _mapping(_json(self._ask("GET", "/v1/agent/services")))
        checks = _mapping(_json(self._ask("GET", "/v1/agent/checks")))
        try:
            return [_entry(key, each, checks) for key, each in services.items()]
        except (TypeError, AttributeError, LookupError) as exc:
            raise Unavailable(f"an answer that is not Consul's: {exc!r}") from exc

    def register(self, service: Service) -> None:
        """Declare a service with exactly its checks. Raises Refused."""
        body = {
            "ID": service.id,
            "Name": service.name,
            "Address": service.address,
            "Port": service.port,
            "Tags": list(service.tags),
            "Meta": dict(service.meta),
            "Checks": _checks(service),
        }
        response = self._response("PUT", "/v1/agent/service/register?replace-existing-checks=true", body)
        # The call needs no leader: an agent that answers 500 rejects the service, a script for example.
        if response.status == 500:
            raise Refused(f"{response.status}: {response.text()}")
        _checked(response)

    def deregister(self, service_id: str) -> None:
        """Remove a service; an unknown service is no error."""
        try:
            self._ask("PUT", f"/v1/agent/service/deregister/{quote(service_id, safe='')}")
        except Refused as exc:
            if "nknown service" not in str(exc):
                raise

    def confirm(self, service: Service) -> None:
        """Report the state of a service's HEALTHCHECK."""
        body = {"Status": service.health, "Output": service.health_output}
        self._ask("PUT", f"/v1/agent/check/update/{quote(_health_id(service.id), safe='')}", body)

    def put(self, key: str, value: object) -> None:
        """Write one key: `value` as JSON."""
        self._ask("PUT", f"/v1/kv/{quote(key)}", value)

    def _ask(self, method: str, target: str, body: object = None) -> Response:
        return _checked(self._response(method, target, body))

    def _response(self, method: str, target: str, body: object = None) -> Response:
        try:
            return self.connection.request(method, target, body)
        except http.Unavailable as exc:
            raise Unavailable(f"Consul: {exc}") from exc


@dataclass
class Watch:
    """Blocking query on one key, on its own connection. It is readable when the key changed or Consul went
    away."""

    key: str
    connection: Connection
    index: int = 0

    @classmethod
    def of(cls, catalogue: Catalogue, key: str) -> Watch:
        """Watch of a key through the same agent."""
        return cls(key, Connection(catalogue.address, catalogue.timeout_s, catalogue.connection.headers))

    def ask(self) -> None:
        """Send one query. The answer comes after a change of the key, or some minutes. Raises Unavailable."""
        # Any server may answer, because the key changes rarely and is read again.
        query = f"stale=1&wait={WATCH_S}s&index={self.index}"
        try:
            self.connection.send("GET", f"/v1/kv/{quote(self.key)}?{query}")
        except http.Unavailable as exc:
            raise Unavailable(f"Consul: {exc}") from exc

    def answer(self) -> str:
        """Value of the key; empty if there is none. Raises Unavailable or Refused."""
        try:
            response = self.connection.receive()
        except http.Unavailable as exc:
            raise Unavailable(f"Consul: {exc}") from exc
        if response.status != 404:
            _checked(response)
        index = int(response.headers.get("x-consul-index", "0") or 0)
        # By Consul's own rule a query starts again when the index goes back.
        self.index = index if index >= self.index else 0
        if response.status == 404:
            return ""
        try:
            return b64decode(_json(response)[0]["Value"] or "").decode(errors="replace")
        except (TypeError, LookupError, ValueError) as exc:
            raise Unavailable(f"an answer that is not Consul's: {exc!r}") from exc


def _json(response: Response) -> Any:
    try:
        return response.json()
    except http.Unavailable as exc:
        raise Unavailable(f"Consul: {exc}") from exc


def _checked(response: Response) -> Response:
    if response.status < 400:
        return response
    if response.status < 500 and response.status != 429:
        raise Refused(f"{response.status}: {response.text()}")
    raise Unavailable(f"Consul: {response.status}: {response.text()}")


def _checks(service: Service) -> list[dict[str, Any]]:
    found = []
    if service.check:
        notes = NOTES + signature(service)
        found.append({"CheckID": _check_id(service.id), "Notes": notes, **service.check})
    if service.health_check:
        found.append({"CheckID": _health_id(service.id), **service.health_check})
    return found


def _check_id(service_id: str) -> str:
    return f"service:{service_id}"


def _health_id(service_id: str) -> str:
    return f"service:{service_id}:health"


def _entry(key: str, raw: Mapping[str, Any], checks: Mapping[str, Any]) -> Entry:
    notes = str(checks.get(_check_id(key), {}).get("Notes") or "")
    definition = notes.removeprefix(NOTES) if notes.startswith(NOTES) else ""
    health = checks.get(_health_id(key), {}).get("Status")
    return Entry(consul_json.agent_service(key, raw), definition, health)


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unavailable("an answer that is not Consul's")
    return value
