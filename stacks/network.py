"""Stack of the network, with every security group and rule of the cluster."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network
from typing import Any, Final

import aws_cdk as cdk
import jsii
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.guard import guard
from stacks.security_groups import SecurityGroups
from swarmer.core import network_plan
from swarmer.core.cluster import Cluster
from swarmer.core.fixed import Stack
from swarmer.core.sections import Egress, Network

FLOW_LOG_RETENTION: Final = logs.RetentionDays.ONE_MONTH
"""Retention of the VPC's flow logs."""
NO_ROUTE_TABLE: Final = "Annotation::@aws-cdk/aws-ec2:noSubnetRouteTableId"
"""Annotation of a subnet that exists already."""
WHY_NO_ROUTE_TABLE: Final = "No stack of the cluster changes a route of a VPC that is not its own."
PRIVATE: Final = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS)
"""Selection of the nodes' subnets."""


class NetworkStack(cdk.Stack):
    """Stack of the network. Results: `vpc`, `node_subnets`, `security_groups`."""

    def __init__(self, scope: Construct, construct_id: str, *, cluster: Cluster, description: str) -> None:
        super().__init__(scope, construct_id, description=description)
        guard(self, cluster, Stack.NETWORK)
        network = cluster.network
        self.vpc: ec2.IVpc = (
            _existing_vpc(self, network.vpc, network)
            if network.vpc
            else _own_vpc(self, cluster.name, network)
        )
        self.node_subnets = self.vpc.select_subnets(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS)
        self.security_groups = SecurityGroups(
            self, "SecurityGroups", vpc=self.vpc, service_ports=network.service_ports
        )


@jsii.implements(ec2.IIpAddresses)
class PlannedAddresses:
    """Source of the VPC's subnets: those of `network_plan`, instead of those that CDK would calculate."""

    def __init__(self, *, cidr: str, zones: int) -> None:
        planned = network_plan.subnets(cidr, zones)
        self._cidr = cidr
        # The VPC asks kind by kind, and zone by zone for each kind.
        self._subnets: list[IPv4Network] = [
            *(zone.public for zone in planned),
            *(zone.private for zone in planned),
        ]

    @jsii.member(jsii_name="allocateVpcCidr")
    def allocate_vpc_cidr(self) -> ec2.VpcIpamOptions:
        return ec2.VpcIpamOptions(cidr_block=self._cidr)

    @jsii.member(jsii_name="allocateSubnetsCidr")
    def allocate_subnets_cidr(
        self, *, requested_subnets: Sequence[ec2.RequestedSubnet | dict[str, Any]], vpc_cidr: str
    ) -> ec2.SubnetIpamOptions:
        return ec2.SubnetIpamOptions(
            allocated_subnets=[ec2.AllocatedSubnet(cidr=str(subnet)) for subnet in self._subnets]
        )


def _existing_vpc(scope: Construct, vpc_id: str, network: Network) -> ec2.IVpc:
    """Return the VPC that servers.yml names. Its owner manages routes, S3's endpoint and flow logs.

    The function looks nothing up, because a template must be the same on every machine.
    """
    found = ec2.Vpc.from_vpc_attributes(
        scope,
        "Vpc",
        vpc_id=vpc_id,
        vpc_cidr_block=network.cidr,
        availability_zones=list(network.zone_names),
        private_subnet_ids=[subnet for _, subnet in network.subnets],
    )
    cdk.Validations.of(found).acknowledge(cdk.Acknowledgment(id=NO_ROUTE_TABLE, reason=WHY_NO_ROUTE_TABLE))
    return found


def _own_vpc(scope: Construct, name: str, network: Network) -> ec2.Vpc:
    made = _vpc(scope, name=name, network=network)
    made.add_gateway_endpoint(
        # Pulls are redirected to S3. With the endpoint they avoid the NAT gateway and its price.
        "S3",
        service=ec2.GatewayVpcEndpointAwsService.S3,
        subnets=[PRIVATE],
    )
    _add_flow_log(scope, made)
    return made


def _vpc(scope: Construct, *, name: str, network: Network) -> ec2.Vpc:
    return ec2.Vpc(
        scope,
        "Vpc",
        vpc_name=name,
        ip_addresses=PlannedAddresses(cidr=network.cidr, zones=network.zone_count),
        # Without an account CDK knows only two zones. Zones that are chosen at deployment need no look-up.
        availability_zones=list(network.zone_names)
        or [cdk.Fn.select(index, cdk.Fn.get_azs()) for index in range(network.zone_count)],
        subnet_configuration=[
            ec2.SubnetConfiguration(
                name="Egress", subnet_type=ec2.SubnetType.PUBLIC, map_public_ip_on_launch=False
            ),
            ec2.SubnetConfiguration(name="Nodes", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
        ],
        nat_gateways=network.zone_count if network.egress is Egress.NAT_PER_ZONE else 1,
        # Emptying the default group would take a custom resource (a function with permissions on security
        # groups). No part of the cluster is ever in that group, and it admits only its own members.
        restrict_default_security_group=False,
    )


def _add_flow_log(scope: Construct, vpc: ec2.Vpc) -> None:
    """Log rejected traffic, as CIS demands. A log of an overlay's accepted traffic would cost more than it is
    worth."""
    log_group = logs.LogGroup(
        scope, "FlowLogs", retention=FLOW_LOG_RETENTION, removal_policy=cdk.RemovalPolicy.DESTROY
    )
    vpc.add_flow_log(
        "FlowLog",
        destination=ec2.FlowLogDestination.to_cloud_watch_logs(log_group),
        traffic_type=ec2.FlowLogTrafficType.REJECT,
    )
