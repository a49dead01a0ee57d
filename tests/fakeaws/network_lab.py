"""Network namespaces of one container: machines on a bridge, with the nft of the node image."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from swarmer.local import engine, node_containers

ROUTER = "10.42.0.1"
"""Address of the bridge, in the container's own namespace: the machine of the operators."""
SERVE = """
import socket, sys, threading
def stream(port):
    server = socket.create_server(("", port))
    while True:
        threading.Thread(target=echo, args=(server.accept()[0],), daemon=True).start()
def echo(connection):
    while data := connection.recv(99):
        connection.sendall(data)
def datagrams(port):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("", port))
    while True:
        data, sender = server.recvfrom(99)
        server.sendto(data, sender)
for port in map(int, sys.argv[1:]):
    for serve in (stream, datagrams):
        threading.Thread(target=serve, args=(port,), daemon=True).start()
print("ready", flush=True)
threading.Event().wait()
"""
ASK = """
import socket, sys
kind, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
asked = socket.socket(socket.AF_INET, getattr(socket, kind))
asked.settimeout(0.4)
try:
    asked.connect((host, port))
    asked.send(b"x")
    print(asked.recv(9) == b"x")
except (TimeoutError, ConnectionRefusedError) as exc:
    print(type(exc).__name__)
"""
KEEP = """
import socket, sys
kept = socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)
kept.settimeout(1)
print("connected", flush=True)
for line in sys.stdin:
    kept.send(b"x")
    print(kept.recv(9) == b"x", flush=True)
"""
SEND_RAW = """
import socket, sys
socket.socket(socket.AF_INET, socket.SOCK_RAW, int(sys.argv[1])).sendto(b"x" * 20, (sys.argv[2], 0))
"""


@dataclass
class NetworkLab:
    """Machines by the name of their namespace; the empty name is the bridge's own."""

    container: str

    def run(self, *argv: str, machine: str = "", stdin: str = "") -> str:
        """Run a command in a namespace."""
        return engine.docker(
            "exec", "-i", self.container, *self._inside(machine), *argv, stdin=stdin.encode()
        )

    def start(self, code: str, *arguments: str, machine: str = "") -> subprocess.Popen[str]:
        """Start Python code in a namespace."""
        argv = ("exec", "-i", self.container, *self._inside(machine), "/usr/bin/python3.13", "-c", code)
        return engine.stream(*argv, *arguments, stdin=subprocess.PIPE)

    def _inside(self, machine: str) -> tuple[str, ...]:
        return ("ip", "netns", "exec", machine) if machine else ()

    def add(self, machine: str, address: str) -> None:
        """Add a machine with this address."""
        self.run(
            *("sh", "-ec"),
            f"ip netns add {machine}; ip link add v-{machine} type veth peer name eth0 netns {machine};"
            f"ip link set v-{machine} master br0 up; ip -n {machine} addr add {address}/16 dev eth0;"
            f"ip -n {machine} link set eth0 up; ip -n {machine} link set lo up",
        )

    def load(self, **texts: str) -> None:
        """Load nftables text, by machine."""
        script = (
            f"ip netns exec {machine} nft -f - <<'END'\n{text}\nEND\n" for machine, text in texts.items()
        )
        self.run("sh", "-e", stdin="".join(script))

    def asks(self, machine: str, host: str, port: int, kind: str = "SOCK_STREAM") -> bool:
        """Whether a machine gets an answer. A refusal is silent: the packet is dropped."""
        code = ("/usr/bin/python3.13", "-c", ASK, kind, host, str(port))
        said = self.run(*code, machine=machine)
        assert said in ("True", "TimeoutError"), said
        return said == "True"

    def count(self, machine: str, counter: str) -> int:
        """Packets of a counter."""
        words = self.run(
            "nft", "list", "counter", "inet", "security_groups", counter, machine=machine
        ).split()
        return int(words[words.index("packets") + 1])

    @contextmanager
    def serving(self, machine: str, *ports: int) -> Iterator[None]:
        """Echo on TCP and UDP ports."""
        server = self.start(SERVE, *map(str, ports), machine=machine)
        try:
            assert server.stdout is not None
            assert server.stdout.readline().strip() == "ready"
            yield
        finally:
            server.kill()
            server.communicate()

    @contextmanager
    def connection(self, machine: str, host: str, port: int) -> Iterator[subprocess.Popen[str]]:
        """A connection that stays open: each line to it is an echo, `True` if it came."""
        kept = self.start(KEEP, host, str(port), machine=machine)
        try:
            assert kept.stdout is not None
            assert kept.stdout.readline().strip() == "connected"
            yield kept
        finally:
            kept.kill()
            kept.communicate()


def echoes(kept: subprocess.Popen[str]) -> bool:
    """Whether an open connection still carries data."""
    assert kept.stdin is not None
    assert kept.stdout is not None
    kept.stdin.write("again\n")
    kept.stdin.flush()
    return kept.stdout.readline().strip() == "True"


@contextmanager
def network_lab(image: str, name: str) -> Iterator[NetworkLab]:
    """Make the container and its bridge, and remove them at the end."""
    engine.docker(
        *("run", "-d", "--rm", "--name", name, "--network", "none", "--tmpfs", "/run"),
        *node_containers.CAPABILITIES,
        *node_containers.ISOLATION,
        *("--entrypoint", "sleep", image, "infinity"),
    )
    try:
        lab = NetworkLab(name)
        lab.run(
            "sh", "-ec", f"ip link add br0 type bridge; ip addr add {ROUTER}/16 dev br0; ip link set br0 up"
        )
        yield lab
    finally:
        engine.docker("rm", "-f", name)
