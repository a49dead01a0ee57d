"""WSGI application: moto, the metadata service and the paths of `swarmer`."""

from __future__ import annotations

import json
import logging
import urllib.parse
from collections.abc import Iterable
from typing import Any, Final
from xml.sax.saxutils import escape

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from swarmer.fakeaws.base import faults, journal
from swarmer.fakeaws.base.errors import reason
from swarmer.fakeaws.base.faults import Fault
from swarmer.fakeaws.cloudformation import coverage
from swarmer.fakeaws.ec2 import networks
from swarmer.fakeaws.ec2.metadata import MetadataService
from swarmer.fakeaws.ssm import agents

log: Final = logging.getLogger("swarmer.fakeaws")

METADATA_PATHS: Final = ("/latest/api/", "/latest/meta-data", "/latest/dynamic", "/latest/user-data")
"""Path prefixes of the metadata service, at the root as on EC2.

aws-sdk-go v1 drops the path of AWS_EC2_METADATA_SERVICE_ENDPOINT.
"""
READY_PATH: Final = "/swarmer/ready"
NOT_REHEARSED_PATH: Final = "/swarmer/not-rehearsed"
EVENTS_PATH: Final = "/swarmer/events"
"""Path of the journal. `?after=NUMBER&wait=SECONDS` waits for later entries."""
MAX_WAIT_S: Final = 60.0
"""Limit of the seconds that a request may wait for entries."""
FAULTS_PATH: Final = "/swarmer/faults"
NETWORKS_PATH: Final = "/swarmer/networks"
"""Path to create a VPC before the first deploy, with the arguments of `networks.ensure`."""


class Application:
    """WSGI application that chooses the answering service by the path."""

    def __init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._metadata = MetadataService()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.startswith(METADATA_PATHS):
            return self._imds(environ, path.removeprefix("/"), start_response)
        if path == READY_PATH:
            return _answer(start_response, "200 OK", "{}", "application/json")
        if path == NOT_REHEARSED_PATH:
            listing = json.dumps(coverage.listing(), indent=1)
            return _answer(start_response, "200 OK", listing, "application/json")
        if path == agents.PATH:
            return _agent(environ, start_response)
        if path == EVENTS_PATH:
            return _answer(start_response, "200 OK", json.dumps(_events(environ)), "application/json")
        if path == FAULTS_PATH:
            return _fault(environ, start_response)
        if path == NETWORKS_PATH:
            return _network(environ, start_response)
        return self._aws(environ, start_response)

    def _imds(self, environ: dict[str, Any], path: str, start_response: Any) -> Iterable[bytes]:
        reply = self._metadata.reply(environ, path)
        return _answer(start_response, reply.status, reply.body, "text/plain", reply.headers)

    def _aws(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer with an error that no client retries if moto fails; bare moto sends HTML with status 500."""
        try:
            answer: Iterable[bytes] = self._moto(environ, start_response)
        except Exception as exc:
            asked = environ.get("HTTP_X_AMZ_TARGET") or f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
            log.exception("%s is not rehearsed", asked)
            return _not_rehearsed(environ, start_response, f"not rehearsed: {reason(exc)}")
        return answer


def _events(environ: dict[str, Any]) -> list[dict[str, Any]]:
    asked = dict(urllib.parse.parse_qsl(environ.get("QUERY_STRING", "")))
    after, wait_s = int(asked.get("after", 0)), float(asked.get("wait", 0))
    return journal.wait(after, min(wait_s, MAX_WAIT_S)) if wait_s else journal.entries(after)


def _fault(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    if environ["REQUEST_METHOD"] == "DELETE":
        faults.active.clear()
        return _answer(start_response, "200 OK", "{}", "application/json")
    try:
        faults.active.add(Fault(**_fields(environ)))
    except (ValueError, TypeError) as exc:
        return _bad_request(start_response, str(exc))
    return _answer(start_response, "200 OK", "{}", "application/json")


def _agent(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    try:
        status, body = agents.reply(environ.get("HTTP_AUTHORIZATION", ""), _fields(environ))
    except (ValueError, TypeError, KeyError, IndexError) as exc:
        return _bad_request(start_response, reason(exc))
    return _answer(start_response, status, body, "application/json")


def _network(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    try:
        networks.ensure(**_fields(environ))
    except Exception as exc:  # moto's errors have no common class
        return _bad_request(start_response, reason(exc))
    return _answer(start_response, "200 OK", "{}", "application/json")


def _fields(environ: dict[str, Any]) -> dict[str, Any]:
    """The request's JSON object. Raises ValueError."""
    fields: dict[str, Any] = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
    return fields


def _bad_request(start_response: Any, message: str) -> Iterable[bytes]:
    return _answer(start_response, "400 Bad Request", json.dumps({"error": message}), "application/json")


def _not_rehearsed(environ: dict[str, Any], start_response: Any, message: str) -> Iterable[bytes]:
    if "HTTP_X_AMZ_TARGET" in environ:
        body = json.dumps({"__type": "NotRehearsed", "message": message})
        return _answer(start_response, "400 Bad Request", body, "application/x-amz-json-1.1")
    error = f"<Error><Code>NotRehearsed</Code><Message>{escape(message)}</Message></Error>"
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        # EC2 reads Response/Errors/Error, every other query service ErrorResponse/Error.
        error = f"<ErrorResponse>{error}<Errors>{error}</Errors></ErrorResponse>"
    return _answer(start_response, "400 Bad Request", error, "application/xml")


def _answer(
    start_response: Any, status: str, body: str, kind: str, headers: Iterable[tuple[str, str]] = ()
) -> Iterable[bytes]:
    encoded = body.encode()
    start_response(status, [("Content-Type", kind), ("Content-Length", str(len(encoded))), *headers])
    return [encoded]
