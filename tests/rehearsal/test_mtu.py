"""Packets of a VPC's size, between tasks on two nodes: the rehearsed network carries 9001, as a VPC does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

import pytest

from swarmer.core import network_plan
from swarmer.local import node_image
from tests.rehearsal.conftest import Cluster, until

pytestmark = pytest.mark.cluster

STACK: Final = f"""\
version: "3.8"
services:
  work:
    image: {node_image.PROBE_IMAGE}
    command: sleep 3600
    deploy: {{mode: global, endpoint_mode: dnsrr}}
    stop_grace_period: 1s
"""
"""Stack as a user writes it: its network has no options."""
VXLAN_BYTES: Final = 50
"""Size of what VXLAN adds: IP 20, UDP 8, VXLAN 8, Ethernet 14."""
LARGEST: Final = network_plan.VPC_MTU - VXLAN_BYTES
"""Size of the largest packet between two tasks; outside it fills the VPC's MTU."""
PING: Final = """\
import errno, socket, struct, sys
target, size = sys.argv[1], int(sys.argv[2])
ping = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
ping.setsockopt(socket.IPPROTO_IP, 10, 2)  # IP_MTU_DISCOVER, IP_PMTUDISC_DO: never fragment
ping.settimeout(5)
# Type 8, code 0, checksum, ID 7, number 1, and zeros, so that the checksum is that of the header.
checksum = 0xffff - (8 << 8) - 7 - 1
try:
    ping.sendto(struct.pack("!BBHHH", 8, 0, checksum, 7, 1) + bytes(size - 28), (target, 0))
except OSError as exc:
    sys.exit(print(errno.errorcode[exc.errno]))
while (answer := ping.recv(65536))[20] != 0:
    pass
print(len(answer))
"""
"""Program that prints the size of the answer to an echo request of `size` bytes that may not be fragmented,
or the name of the kernel's error."""
FRAGMENTS: Final = ("FragCreates", "FragOKs", "ReasmReqds")
"""Counters of the kernel for packets that it fragmented or put together again."""


@pytest.fixture(scope="module")
def work(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster, with a task of STACK on each node."""
    cluster.docker("stack", "deploy", "-c", "-", "--resolve-image", "never", "large", stdin=STACK.encode())
    nodes = cluster.nodes()
    until(lambda: all(task_of(cluster, node["name"]) for node in nodes), 60, "a task has no container")
    yield cluster
    cluster.docker("stack", "rm", "large")


def task_of(cluster: Cluster, node: str) -> str:
    return cluster.on(
        node, "docker", "ps", "-q", "--filter", "label=com.docker.swarm.service.name=large_work"
    )


def inspected(cluster: Cluster, node: str, form: str) -> str:
    return cluster.on(node, "docker", "inspect", "-f", form, task_of(cluster, node))


def pinged(cluster: Cluster, node: str, target: str, size: int) -> str:
    """Output of PING, typed in the network of the task on a node."""
    pid = inspected(cluster, node, "{{.State.Pid}}")
    return cluster.on(node, "nsenter", "-t", pid, "-n", "python3", "-c", PING, target, str(size))


def fragments(cluster: Cluster, node: str) -> list[int]:
    """Counters of a node for fragments, outside its containers."""
    lines = cluster.on(node, "cat", "/proc/net/snmp").splitlines()
    heads, values = (line.split()[1:] for line in lines if line.startswith("Ip:"))
    found = dict(zip(heads, map(int, values), strict=True))
    return [found[name] for name in FRAGMENTS]


def mtus(cluster: Cluster, node: str, *inside: str) -> dict[str, int]:
    """MTU by interface, in a network namespace of a node (words for nsenter), or in its own."""
    enter = ("nsenter", *inside) if inside else ()
    links = json.loads(cluster.on(node, *enter, "ip", "-j", "link"))
    return {each["ifname"]: each["mtu"] for each in links}


def test_a_packet_of_the_vpcs_size_passes_between_tasks_on_two_nodes_unfragmented(work: Cluster) -> None:
    here, there = work.nodes("consul-server")[0]["name"], work.nodes()[-1]["name"]
    target = inspected(work, there, '{{(index .NetworkSettings.Networks "large_default").IPAddress}}')
    before = [fragments(work, node) for node in (here, there)]
    assert pinged(work, here, target, LARGEST) == str(LARGEST)
    assert [fragments(work, node) for node in (here, there)] == before
    assert pinged(work, here, target, LARGEST + 1) == "EMSGSIZE"


def has_ingress(cluster: Cluster, node: str) -> bool:
    """Whether dockerd has the namespace of the ingress network. It creates it again after a boot."""
    return "ingress_sbox" in cluster.on(node, "ls", "/run/docker/netns").split()


def test_every_node_gives_each_of_dockers_networks_the_vpcs_mtu(work: Cluster) -> None:
    nodes = [each["name"] for each in work.nodes()]
    until(lambda: all(has_ingress(work, node) for node in nodes), 30, "a node has no ingress network")
    for node in nodes:
        own = mtus(work, node)
        wanted = dict.fromkeys(("eth0", "docker0", "docker_gwbridge"), network_plan.VPC_MTU)
        assert {name: own[name] for name in wanted} == wanted, node
        mesh = mtus(work, node, "--net=/run/docker/netns/ingress_sbox")
        assert (mesh["eth0"], mesh["eth1"]) == (LARGEST, network_plan.VPC_MTU), node
        task = mtus(work, node, "-t", inspected(work, node, "{{.State.Pid}}"), "-n")
        assert (task["eth0"], task["eth1"]) == (LARGEST, network_plan.VPC_MTU), node
