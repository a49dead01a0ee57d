"""Calls of a manager to its own Swarm beside Docker's API: a real engine, and servers that are none."""

from __future__ import annotations

import contextlib
import datetime
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from swarmer.adapters import swarmkit
from swarmer.adapters.swarmkit import Unavailable
from swarmer.core import names
from tests.node import lab
from tests.node.conftest import free_port

ASK = """
import sys
from pathlib import Path
from swarmer.adapters import swarmkit
from swarmer.adapters.raft_log import RaftLog
address, node, folder = *sys.argv[1:3], Path(sys.argv[3])
certificates, log = folder / "certificates", RaftLog(folder / "raft/wal-v3-encrypted")
member, term = swarmkit.raft_id(address, node, certificates=certificates), log.term()
swarmkit.stand(address, member, term, certificates=certificates)
swarmkit.stand(address, member + 1, term, certificates=certificates)
swarmkit.stand(address, member, term - 1, certificates=certificates)
print(f"{member:x}")
print(term, log.term())
try:
    swarmkit.raft_id(address, "nobody", certificates=certificates)
except swarmkit.Unavailable as exc:
    print(exc)
"""


def test_an_engine_returns_a_managers_raft_id_and_accepts_the_call_to_stand() -> None:
    with lab.engine(log_level="info") as dockerd:
        dockerd.docker("swarm", "init", "--advertise-addr", lab.ENGINE_ADDRESS)
        node = dockerd.docker("info", "-f", "{{.Swarm.NodeID}}")
        inside = ("nsenter", f"--net=/run/netns/{dockerd.network}", sys.executable, "-c", ASK)
        done = subprocess.run(
            [*inside, lab.ENGINE_ADDRESS, node, str(dockerd.folder / "data/swarm")],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        member, terms, refusal = done.stdout.splitlines()
        log = dockerd.log.read_text()
    assert f"newRaft {member} " in log
    others = [line for line in log.splitlines() if "received message intended for" in line]
    assert len(others) == 1, "it takes the one that is for it"
    assert f"raft_id {int(member, 16) + 1:x}" in others[0]
    assert "node nobody not found" in refusal
    (led,) = re.findall(rf"{member} became leader at term (\d+)", log)
    assert terms == f"{led} {led}"
    assert f"{member} [term: {led}] ignored a MsgTimeoutNow message with lower term" in log


# -- servers that are none -----------------------------------------------------------------------


def certificate(folder: Path, *, key_headers: str = "", password: bytes = b"") -> None:
    """One that signs itself, for every manager, as SwarmKit lays them down."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "swarm-ca")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(swarmkit.MANAGER)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    (folder / "swarm-root-ca.crt").write_bytes(pem)
    (folder / "swarm-node.crt").write_bytes(pem)
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption(),
    ).decode()
    (folder / "plain.key").write_text(text)
    first, _, rest = text.partition("\n")
    (folder / "swarm-node.key").write_text(f"{first}\n{key_headers}{rest}")


def answer(headers: dict[str, str], *bodies: bytes, trailers: dict[str, str] | None = None) -> Any:
    """A server's part: what it says once it was asked."""

    def serve(connection: ssl.SSLSocket) -> None:
        session = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        session.initiate_connection()
        connection.sendall(session.data_to_send())
        while received := connection.recv(65536):
            for event in session.receive_data(received):
                if not isinstance(event, h2.events.StreamEnded):
                    continue
                first = [(":status", "200"), *headers.items()]
                session.send_headers(1, first, end_stream=not (bodies or trailers))
                for body in bodies:
                    session.send_data(1, body)
                if trailers:
                    session.send_headers(1, list(trailers.items()), end_stream=True)
                connection.sendall(session.data_to_send())
            connection.sendall(session.data_to_send())

    return serve


def framed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4, "big") + message


WELL = {"grpc-status": "0"}
# node { manager_status { raft_id: 300 } }
NODE = b"\x0a\x05\x32\x03\x08\xac\x02"


@pytest.fixture
def served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Callable[[ssl.SSLSocket], None]], Path]]:
    """Serves one connection on loopback; the certificates to ask it with."""
    port = free_port()
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []
    monkeypatch.setattr(names, "SWARM_CLUSTER_PORT", port)

    def start(serve: Callable[[ssl.SSLSocket], None]) -> Path:
        certificate(tmp_path, key_headers="kek-version: 10\nraft-dek: secret\n\n")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "swarm-node.crt", tmp_path / "plain.key")
        context.set_alpn_protocols(["h2"])
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(tmp_path / "swarm-root-ca.crt")
        listener = socket.create_server(("127.0.0.1", port))
        listeners.append(listener)

        def run() -> None:
            with contextlib.suppress(OSError):
                plain, _ = listener.accept()
                with context.wrap_socket(plain, server_side=True) as connection:
                    serve(connection)

        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()
        return tmp_path

    yield start
    for listener, thread in zip(listeners, threads, strict=True):
        # It wakes a thread that still waits for its connection.
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)
        assert not thread.is_alive(), "the server goes on when its client has gone"


def ask(certificates: Path, timeout_s: float = 5) -> int:
    return swarmkit.raft_id("127.0.0.1", "node-1", timeout_s=timeout_s, certificates=certificates)


def test_a_number_is_read_out_of_what_comes_in_pieces(served: Any) -> None:
    whole = framed(NODE)
    assert ask(served(answer({}, whole[:3], whole[3:], trailers=WELL))) == 300


@pytest.mark.parametrize(
    ("serve", "said"),
    [
        (answer({"grpc-status": "7", "grpc-message": "Permission denied"}), "Permission denied"),
        (answer({}, framed(NODE)[:-2], trailers=WELL), "not gRPC's"),
        (answer({}, framed(NODE[:-1]), trailers=WELL), "cut off"),
        (answer({}, framed(b"\x0b"), trailers=WELL), "not protobuf's"),
        (answer({}, framed(b""), trailers=WELL), "no member of raft"),
        (lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "2377|127.0.0.1"),
        (lambda connection: connection.close(), "127.0.0.1"),
        (lambda connection: connection.recv(1 << 20) and threading.Event().wait(2), "timed out"),
    ],
)
def test_an_answer_that_is_none_is_one_error(served: Any, serve: Any, said: str) -> None:
    with pytest.raises(Unavailable, match=said):
        ask(served(serve), timeout_s=1 if said == "timed out" else 30)


def test_nobody_at_the_port_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "SWARM_CLUSTER_PORT", free_port())
    certificate(tmp_path)
    with pytest.raises(Unavailable, match="refused"):
        swarmkit.stand("127.0.0.1", 1, 2, certificates=tmp_path)


def test_a_node_that_is_no_manager_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="No such file"):
        swarmkit.stand("127.0.0.1", 1, 2, certificates=tmp_path)


def test_a_swarm_that_people_locked_is_one_error_and_asks_nobody_for_a_password(tmp_path: Path) -> None:
    """`docker swarm update --autolock`: its managers' keys are encrypted."""
    certificate(tmp_path, password=b"unlock-key")
    with pytest.raises(Unavailable):
        swarmkit.stand("127.0.0.1", 1, 2, certificates=tmp_path)
