"""Security groups hold on a running cluster: every rule of the template is needed, and they are enough."""

from __future__ import annotations

import contextlib
import json
import socket
from collections import Counter
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from swarmer.adapters import process
from swarmer.core import names
from swarmer.fakeaws.ec2 import packet_filter
from swarmer.local import engine, environment, node_containers, node_image
from tests.rehearsal.conftest import Cluster, until

pytestmark = pytest.mark.cluster

TABLE = packet_filter.TABLE.split()
SERVICE_PORT = 30999
NO_ADDRESS = "255.255.255.255/32"
"""Peer of the rule with which the CDK closes a group without egress rules."""
KNOCK = """
import socket, sys
kind, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
knocking = socket.socket(socket.AF_INET, getattr(socket, kind))
knocking.settimeout(3)
try:
    knocking.connect((host, port))
    if kind == "SOCK_DGRAM":
        # A port without a program answers with an error of ICMP, which comes with the second packet.
        for _ in range(2):
            knocking.send(bytes(12))
            knocking.recv(9)
    print("open")
except ConnectionRefusedError:
    print("nobody listens")
except TimeoutError:
    print("silence")
"""
"""Program that says what a port answers. A filter is silent; a machine says that nobody listens."""
SEND_ESP = """
import socket, sys
socket.socket(socket.AF_INET, socket.SOCK_RAW, 50).sendto(bytes(20), (sys.argv[1], 0))
"""
IMPORT_PROBE = ("docker", "import", "-c", 'CMD ["/bin/sh"]', "/opt/swarmer/probe.tar", node_image.PROBE_IMAGE)


class Groups:
    """Security groups as EC2 describes them, and what the machines count."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.ec2 = boto3.client(
            "ec2",
            endpoint_url=cluster.env.aws_url,
            region_name=cluster.env.region,
            aws_access_key_id="x",
            aws_secret_access_key="x",
        )
        found = self.ec2.describe_security_groups(
            Filters=[{"Name": "tag-key", "Values": [names.TAG_SECURITY_GROUP]}]
        )["SecurityGroups"]
        self.ids = {
            tag["Value"]: group["GroupId"]
            for group in found
            for tag in group["Tags"]
            if tag["Key"] == names.TAG_SECURITY_GROUP
        }

    def rules(self) -> dict[str, str]:
        """Each rule in words, by its ID."""
        called = {id_: name for name, id_ in self.ids.items()}
        described = self.ec2.describe_security_group_rules(
            Filters=[{"Name": "group-id", "Values": list(called)}]
        )["SecurityGroupRules"]
        return {
            each["SecurityGroupRuleId"]: " ".join(
                map(
                    str,
                    (
                        called[each["GroupId"]],
                        "to" if each["IsEgress"] else "from",
                        called.get((each.get("ReferencedGroupInfo") or {}).get("GroupId", ""), "anywhere"),
                        each["IpProtocol"],
                        each.get("FromPort"),
                    ),
                )
            )
            for each in described
            if each.get("CidrIpv4") != NO_ADDRESS
        }

    def machines(self) -> list[str]:
        """Containers of running nodes and functions in the VPC."""
        env = self.cluster.env
        found = engine.containers(**{environment.LABEL_CLUSTER: env.cluster.name})
        return [each.name for each in found if each.is_running and env.network in each.chosen_addresses]

    def counted(self) -> Counter[str]:
        """Packets of each counter, of all machines together."""
        total: Counter[str] = Counter()
        for machine in self.machines():
            with contextlib.suppress(process.Failed):  # a function has ended
                for entry in nft(machine, "list", "counters", "table", *TABLE):
                    if counter := entry.get("counter"):
                        total[counter["name"]] += counter["packets"]
        return total

    def unused(self) -> list[str]:
        """Rules that no packet has needed, in words."""
        counted = self.counted()
        return sorted(words for id_, words in self.rules().items() if not counted[id_.replace("-", "_")])

    def refused(self) -> list[str]:
        """Refused packets on each machine: source, protocol and port."""
        return [
            f"{machine}: {' '.join(map(str, element['concat']))}"
            for machine in self.machines()
            for entry in nft(machine, "list", "set", *TABLE, packet_filter.REFUSED)
            for element in entry.get("set", {}).get("elem", ())
        ]


def nft(machine: str, *argv: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(engine.docker("exec", "-u", "0", machine, "nft", "-j", *argv))[
        "nftables"
    ]
    return listed


@pytest.fixture(scope="module")
def groups(cluster: Cluster) -> Groups:
    return Groups(cluster)


def on(cluster: Cluster, node: dict[str, Any], *command: str) -> str:
    return engine.docker("exec", node_containers.container_name(cluster.env, node["name"]), *command)


def knock(cluster: Cluster, node: dict[str, Any], host: str, port: int, kind: str = "SOCK_STREAM") -> str:
    """Answer of another machine's port to a node."""
    return on(cluster, node, "/usr/bin/python3.13", "-c", KNOCK, kind, host, str(port))


def answer_to_operator(host: str, port: int, kind: int = socket.SOCK_STREAM) -> str:
    """Answer of a port to this machine, which stands behind the VPN."""
    with socket.socket(socket.AF_INET, kind) as knocking:
        knocking.settimeout(2)
        try:
            knocking.connect((host, port))
            if kind == socket.SOCK_DGRAM:
                for _ in range(2):
                    knocking.send(bytes(12))
                    knocking.recv(9)
        except ConnectionRefusedError:
            return "nobody listens"
        except TimeoutError:
            return "silence"
    return "open"


@pytest.fixture(scope="module")
def ends(cluster: Cluster) -> tuple[dict[str, Any], dict[str, Any]]:
    """A worker that is nothing else, and a manager that is a server too."""
    worker = next(node for node in cluster.nodes() if node["roles"] == ["swarm-worker"])
    return worker, cluster.nodes("swarm-manager")[0]


@pytest.fixture(scope="module")
def all_flows(cluster: Cluster, groups: Groups, ends: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """The flows that only people and services cause. The cluster causes the others by itself."""
    worker, manager = ends
    for port in (names.DNS_PORT, names.CONSUL_HTTP_PORT, names.DOCKER_PORT, names.REGISTRY_PORT):
        assert knock(cluster, worker, manager["address"], port) == "open", port
        assert answer_to_operator(manager["address"], port) == "open", port
    for kind, own in (("SOCK_STREAM", socket.SOCK_STREAM), ("SOCK_DGRAM", socket.SOCK_DGRAM)):
        assert knock(cluster, worker, manager["address"], SERVICE_PORT, kind) == "nobody listens"
        assert answer_to_operator(manager["address"], SERVICE_PORT, own) == "nobody listens"
    look_up(cluster, worker, manager)
    talk_over_an_overlay(cluster, worker, manager)
    # This kernel may have no ESP, so no tunnel: the packet alone shows that its protocol passes.
    on(cluster, worker, "/usr/bin/python3.13", "-c", SEND_ESP, manager["address"])


def look_up(cluster: Cluster, worker: dict[str, Any], manager: dict[str, Any]) -> None:
    """Ask a manager's DNS by UDP, as a node and as an operator."""
    name = f"{manager['name']}.node.{cluster.env.cluster.domain}"
    found = on(cluster, worker, "busybox", "nslookup", name, manager["address"])
    assert manager["address"] in found
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(3)
        asking.connect((manager["address"], names.DNS_PORT))
        question = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
        asking.send(b"\0\1\1\0\0\1\0\0\0\0\0\0" + question + b"\0\0\1\0\1")
        assert socket.inet_aton(manager["address"]) in asking.recv(512)


def talk_over_an_overlay(cluster: Cluster, worker: dict[str, Any], manager: dict[str, Any]) -> None:
    """Two containers on two nodes talk over an overlay network."""
    cluster.docker("network", "create", "-d", "overlay", "--attachable", "flows")
    run = ("docker", "run", "-d", "--network", "flows", "--name")
    try:
        for node in (worker, manager):
            on(cluster, node, *IMPORT_PROBE)
        on(cluster, manager, *run, "called", node_image.PROBE_IMAGE, "httpd", "-f", "-p", "80", "-h", "/bin")
        on(cluster, worker, *run, "caller", node_image.PROBE_IMAGE, "sleep", "300")

        def answers() -> bool:
            with contextlib.suppress(process.Failed):
                asked = ("docker", "exec", "caller", "wget", "-q", "-T", "2", "-O", "/dev/null")
                on(cluster, worker, *asked, "http://called/busybox")
                return True
            return False

        until(answers, 30, "no packet passes between the two containers")
    finally:
        for node in (worker, manager):
            with contextlib.suppress(process.Failed):
                on(cluster, node, "docker", "rm", "-f", "called", "caller")
        cluster.docker("network", "rm", "flows")


def test_every_rule_of_the_template_has_been_needed(groups: Groups, all_flows: None) -> None:
    assert len(groups.rules()) > 20
    # The sweep asks servers and managers every minute.
    with contextlib.suppress(AssertionError):
        until(lambda: not groups.unused(), 90, "a rule was not needed")
    assert groups.unused() == []


def test_no_packet_from_inside_the_cluster_was_refused(groups: Groups, all_flows: None) -> None:
    assert groups.refused() == []


def test_what_no_rule_opens_is_silent(
    cluster: Cluster, groups: Groups, ends: tuple[dict[str, Any], dict[str, Any]], all_flows: None
) -> None:
    worker, manager = ends
    assert knock(cluster, manager, worker["address"], names.REGISTRY_PORT) == "silence"
    assert answer_to_operator(worker["address"], names.REGISTRY_PORT) == "silence"
    assert answer_to_operator(manager["address"], names.CONSUL_RPC_PORT) == "silence"
    assert f" {manager['address']} tcp {names.REGISTRY_PORT}" in "".join(groups.refused())


@contextlib.contextmanager
def revoked(groups: Groups, group: str, peer: str, port: int) -> Iterator[None]:
    """Take a rule away as the console would, and give it back."""
    permission = {
        "IpProtocol": "tcp",
        "FromPort": port,
        "ToPort": port,
        "UserIdGroupPairs": [{"GroupId": groups.ids[peer]}],
    }
    known = {"GroupId": groups.ids[group], "IpPermissions": [permission]}
    groups.ec2.revoke_security_group_ingress(**known)
    try:
        yield
    finally:
        groups.ec2.authorize_security_group_ingress(**known)


def test_a_changed_rule_holds_on_running_nodes_at_once(cluster: Cluster, groups: Groups) -> None:
    manager = cluster.nodes("swarm-manager")[0]["address"]

    def answer() -> str:
        return answer_to_operator(manager, names.DOCKER_PORT)

    with revoked(groups, "Managers", "Vpn", names.DOCKER_PORT):
        until(lambda: answer() == "silence", 10, "the port is still open")
    until(lambda: answer() == "open", 10, "the port is still closed")


def has_filter(container: str) -> bool:
    try:
        return any("table" in entry for entry in nft(container, "list", "table", *TABLE))
    except process.Failed:
        return False


def test_a_node_that_starts_again_is_protected_again(cluster: Cluster, groups: Groups) -> None:
    """The kernel forgets the filter with the machine's network."""
    worker = cluster.nodes()[-1]
    container = node_containers.container_name(cluster.env, worker["name"])
    engine.docker("kill", container)
    engine.docker("start", container)
    # The container's first process loads the filter; a command may come before it.
    until(lambda: has_filter(container), 10, "the filter is not loaded again")
    assert answer_to_operator(worker["address"], names.CONSUL_RPC_PORT) == "silence"
    until(lambda: bool(cluster.status()["validated"]), 120, "the cluster is not validated again")
