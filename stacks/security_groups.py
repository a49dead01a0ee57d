"""Security groups of a cluster, and every rule between them."""

from __future__ import annotations

from collections.abc import Iterator

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from swarmer.core import names, network_plan

Opening = tuple[ec2.Port, str]
"""A port and its purpose."""


class SecurityGroups(Construct):
    """Security groups of a cluster. No rule admits an address: only members of these groups reach each other.

    Results: `nodes` (every node), `managers` and `consul_servers` (in addition), `vpn` (the VPN's end in the
    VPC), `functions` (Lambda functions). Consul's DNS listens on loopback, so it needs no rule.
    """

    def __init__(self, scope: Construct, construct_id: str, *, vpc: ec2.IVpc, service_ports: str) -> None:
        super().__init__(scope, construct_id)
        # The descriptions must stay the same. EC2 cannot change them, so CloudFormation would replace the
        # group.
        self._vpc = vpc
        self._service_ports = service_ports
        # All outbound traffic is allowed. The operator's services may call any address, and a filter on ports
        # that leaves 443 open stops no leak.
        self.nodes = self._group("Nodes", "Every node of the cluster", all_outbound=True)
        self.managers = self._group("Managers", "Swarm managers, beside Nodes")
        self.consul_servers = self._group("ConsulServers", "Consul servers, beside Nodes")
        self.vpn = self._group("Vpn", names.VPN_GROUP_DESCRIPTION)
        self.functions = self._group("Functions", "Lambda functions that look after the cluster")
        self._open_to_nodes()
        self._open_to_vpn()
        self._open_to_functions()

    def _group(self, construct_id: str, description: str, *, all_outbound: bool = False) -> ec2.SecurityGroup:
        group = ec2.SecurityGroup(
            self, construct_id, vpc=self._vpc, description=description, allow_all_outbound=all_outbound
        )
        cdk.Tags.of(group).add(names.TAG_SECURITY_GROUP, construct_id)
        return group

    def _open_to_nodes(self) -> None:
        for port, purpose in [*_between_nodes(), *self._services()]:
            self.nodes.add_ingress_rule(self.nodes, port, purpose)
        for port, purpose in [
            (ec2.Port.tcp(names.SWARM_CLUSTER_PORT), "Swarm control plane"),
            *_on_managers(),
        ]:
            self.managers.connections.allow_from(self.nodes, port, purpose)
        self.consul_servers.connections.allow_from(
            self.nodes, ec2.Port.tcp(names.CONSUL_RPC_PORT), "Consul RPC to servers"
        )

    def _open_to_vpn(self) -> None:
        for port, purpose in [*_dns(), _consul_http(), *self._services()]:
            self.nodes.connections.allow_from(self.vpn, port, f"From the VPN: {purpose}")
        for port, purpose in _on_managers():
            self.managers.connections.allow_from(self.vpn, port, f"From the VPN: {purpose}")

    def _open_to_functions(self) -> None:
        consul, purpose = _consul_http()
        self.nodes.connections.allow_from(self.functions, consul, f"From functions: {purpose}")
        self.managers.connections.allow_from(
            self.functions, ec2.Port.tcp(names.DOCKER_PORT), "From functions: Docker API"
        )
        # The functions reach the AWS APIs through the egress, like the nodes.
        self.functions.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "AWS APIs")

    def _services(self) -> Iterator[Opening]:
        start, end = network_plan.port_range(self._service_ports)
        yield ec2.Port.tcp_range(start, end), "Published services"
        yield ec2.Port.udp_range(start, end), "Published services"


def _between_nodes() -> Iterator[Opening]:
    yield from _dns()
    yield _consul_http()
    for port, purpose in (
        (names.SWARM_GOSSIP_PORT, "Swarm gossip"),
        (names.CONSUL_GOSSIP_PORT, "Consul gossip"),
    ):
        yield ec2.Port.tcp(port), purpose
        yield ec2.Port.udp(port), purpose
    yield ec2.Port.udp(names.OVERLAY_PORT), "Overlay networks (VXLAN)"
    # Port.esp() is not used, because it names ports of that protocol, and CloudFormation's validation warns
    # about them.
    esp = ec2.Port(protocol=ec2.Protocol.ESP, string_representation="ESP")
    yield esp, "Encrypted overlay networks (ESP)"


def _on_managers() -> Iterator[Opening]:
    yield ec2.Port.tcp(names.DOCKER_PORT), "Docker API"
    # The registry runs on managers only.
    yield ec2.Port.tcp(names.REGISTRY_PORT), "Container registry"


def _dns() -> Iterator[Opening]:
    yield ec2.Port.tcp(names.DNS_PORT), "DNS"
    yield ec2.Port.udp(names.DNS_PORT), "DNS"


def _consul_http() -> Opening:
    return ec2.Port.tcp(names.CONSUL_HTTP_PORT), "Consul API and UI"
