"""Calls between Swarm's managers: gRPC at their own port, with their certificates.

Docker's API lacks the two calls of this module. Formats: SwarmKit's api/control.proto, objects.proto and
raft.proto, etcd's raft.proto; they are the same in every engine with a Swarm. Every failure is one
`Unavailable`.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import time
from pathlib import Path
from typing import Final

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from swarmer.adapters import protobuf
from swarmer.core import names

CERTIFICATES: Final = Path("/var/lib/docker/swarm/certificates")
MANAGER: Final = "swarm-manager"
"""Name in every manager's certificate."""
TIMEOUT_NOW: Final = 14
"""Value of raftpb.MessageType by which a leader hands over: the receiver stands for election at once."""
MOST_BYTES: Final = 1 << 20
_PEM_HEADER: Final = re.compile(rb"(?m)^[\w-]+: .*\n")


class Unavailable(Exception):
    """The manager did not answer, or refused."""


def raft_id(address: str, node: str, *, timeout_s: float = 3.0, certificates: Path = CERTIFICATES) -> int:
    """Raft ID of the manager `node` (its ID in Swarm). The manager at `address` asks the leader."""
    method = "docker.swarmkit.v1.Control/GetNode"
    answer = _call(address, method, protobuf.text(1, node.encode()), timeout_s, certificates)
    try:
        status = protobuf.within(protobuf.within(answer, 1), 6)  # node, manager_status
        found = protobuf.integer(status, 1)  # raft_id
    except ValueError as exc:
        raise Unavailable(str(exc)) from exc
    if not found:
        raise Unavailable(f"{node} is no member of raft")
    return found


def stand(
    address: str, member: int, term: int, *, timeout_s: float = 3.0, certificates: Path = CERTIFICATES
) -> None:
    """Have the manager at `address`, raft's `member`, stand for election at once; the votes decide.

    The call is against the leader of `term`. A manager that knows a later term ignores it, and so do the
    other managers. Therefore it can depose only that leader.
    """
    message = b"".join(
        protobuf.number(*each) for each in ((1, TIMEOUT_NOW), (2, member), (3, member), (4, term))
    )
    method = "docker.swarmkit.v1.Raft/ProcessRaftMessage"
    _call(address, method, protobuf.text(1, message), timeout_s, certificates)


# -- gRPC: one call on a connection of its own ---------------------------------------------------


def _call(address: str, method: str, message: bytes, timeout_s: float, certificates: Path) -> bytes:
    """Message of the answer. Raises Unavailable."""
    deadline_s = time.monotonic() + timeout_s
    try:
        context = _context(certificates)
        with (
            socket.create_connection((address, names.SWARM_CLUSTER_PORT), timeout_s) as plain,
            context.wrap_socket(plain, server_hostname=MANAGER) as connection,
        ):
            _in_time(connection, deadline_s)
            headers, body = _exchange(connection, method, message, deadline_s)
    except (OSError, ValueError, h2.exceptions.H2Error) as exc:
        raise Unavailable(f"{address}:{names.SWARM_CLUSTER_PORT}: {exc}") from exc
    if headers.get("grpc-status") != "0":
        said = headers.get("grpc-message") or f"HTTP {headers.get(':status')}"
        raise Unavailable(f"{address}:{names.SWARM_CLUSTER_PORT}: {said}")
    # Prefix of the message: a flag for compression, and the length.
    if len(body) < 5 or body[0] or int.from_bytes(body[1:5], "big") != len(body) - 5:
        raise Unavailable(f"{address}:{names.SWARM_CLUSTER_PORT}: an answer that is not gRPC's")
    return body[5:]


def _in_time(connection: ssl.SSLSocket, deadline_s: float) -> ssl.SSLSocket:
    """Connection with the remaining time as timeout. Raises TimeoutError."""
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("timed out")
    connection.settimeout(left_s)
    return connection


def _context(certificates: Path) -> ssl.SSLContext:
    """TLS context with this manager's own certificate. Raises OSError, also if the Swarm is locked
    (`--autolock`)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certificates / "swarm-root-ca.crt")
    context.set_alpn_protocols(["h2"])
    # SwarmKit writes headers into the key's PEM that OpenSSL refuses. The copy without them stays in memory.
    key = _PEM_HEADER.sub(b"", (certificates / "swarm-node.key").read_bytes()).replace(b"\n\n", b"\n")
    memory = os.memfd_create("swarm-node.key")
    try:
        os.write(memory, key)
        context.load_cert_chain(certificates / "swarm-node.crt", f"/proc/self/fd/{memory}", password="")
    finally:
        os.close(memory)
    return context


def _exchange(
    connection: ssl.SSLSocket, method: str, message: bytes, deadline_s: float
) -> tuple[dict[str, str], bytes]:
    """Exchange one request; return headers and trailers, and the body."""
    session = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    session.initiate_connection()
    asked = {":method": "POST", ":scheme": "https", ":path": f"/{method}", ":authority": MANAGER}
    asked |= {"content-type": "application/grpc", "te": "trailers"}
    session.send_headers(1, list(asked.items()))
    session.send_data(1, b"\0" + len(message).to_bytes(4, "big") + message, end_stream=True)
    headers: dict[str, str] = {}
    body = bytearray()
    while True:
        connection.sendall(session.data_to_send())
        if not (data := _in_time(connection, deadline_s).recv(65536)):
            raise ConnectionError("closed the connection")
        for event in session.receive_data(data):
            match event:
                case h2.events.ResponseReceived() | h2.events.TrailersReceived():
                    headers.update((str(name), str(value)) for name, value in event.headers or ())
                case h2.events.DataReceived():
                    body += event.data
                    if len(body) > MOST_BYTES:
                        raise ValueError("an answer without end")
                    session.acknowledge_received_data(event.flow_controlled_length, 1)
                case h2.events.StreamEnded():
                    return headers, bytes(body)
                case h2.events.StreamReset() | h2.events.ConnectionTerminated():
                    raise ConnectionError(f"ended the call: error {event.error_code}")
