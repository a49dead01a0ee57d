"""Deletion of resource types that bare moto keeps after the deletion of their stack.

On AWS the VPC's parts are deleted with their stack. Without these deletions, dependencies keep the whole VPC.
"""

from __future__ import annotations

import contextlib
from typing import Any, Final

from moto.ec2 import ec2_backends
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.elastic_ip_addresses import ElasticAddress
from moto.ec2.models.flow_logs import FlowLogs
from moto.ec2.models.internet_gateways import InternetGateway
from moto.ec2.models.nat_gateways import NatGateway
from moto.ec2.models.route_tables import RouteTable
from moto.ec2.models.subnets import Subnet, SubnetRouteTableAssociation
from moto.ec2.models.vpcs import VPCEndPoint
from moto.ec2.models.vpn_gateway import VPCGatewayAttachment

OF_FUNCTIONS: Final = "AWS Lambda VPC ENI-"
"""Beginning of the description of a function's network interface."""


def extend() -> None:
    """Give each type the method that moto calls for the deletion of a stack's resource."""
    for model, delete in {
        ElasticAddress: _release_address,
        FlowLogs: _delete_flow_log,
        InternetGateway: _delete_internet_gateway,
        NatGateway: _delete_nat_gateway,
        RouteTable: _delete_route_table,
        Subnet: _delete_subnet,
        SubnetRouteTableAssociation: _disassociate_subnet,
        VPCEndPoint: _delete_endpoint,
        VPCGatewayAttachment: _detach_gateway,
    }.items():
        model.delete = delete


def _release_address(self: Any, account: str, region: str) -> None:
    ec2_backends[account][region].release_address(address=self.public_ip)


def _delete_flow_log(self: Any, account: str, region: str) -> None:
    ec2_backends[account][region].delete_flow_logs([self.id])


def _delete_internet_gateway(self: Any, account: str, region: str) -> None:
    ec2_backends[account][region].delete_internet_gateway(self.id)


def _delete_nat_gateway(self: Any, account: str, region: str) -> None:
    """The gateway is listed as deleted, as on AWS for an hour. Bare moto keeps its network interface."""
    backend: Any = ec2_backends[account][region]
    backend.delete_nat_gateway(self.id)
    backend.delete_network_interface(self._eni.id)


def _delete_route_table(self: Any, account: str, region: str) -> None:
    ec2_backends[account][region].delete_route_table(self.id)


def _delete_subnet(self: Any, account: str, region: str) -> None:
    """Deleted functions leave network interfaces. AWS deletes these within 45 minutes, and waits for that."""
    backend: Any = ec2_backends[account][region]
    for interface in list(backend.enis.values()):
        of_subnet = interface.subnet is not None and interface.subnet.id == self.id
        if of_subnet and (interface.description or "").startswith(OF_FUNCTIONS):
            backend.delete_network_interface(interface.id)
    backend.delete_subnet(self.id)


def _disassociate_subnet(self: Any, account: str, region: str) -> None:
    backend: Any = ec2_backends[account][region]
    table = backend.get_route_table(self.route_table_id)
    for association, target in list(table._associations.items()):
        if target == self.subnet_id:
            backend.disassociate_route_table(association)


def _delete_endpoint(self: Any, account: str, region: str) -> None:
    """AWS does not list a deleted endpoint; bare moto lists it as deleted."""
    backend: Any = ec2_backends[account][region]
    with contextlib.suppress(EC2ClientError):  # moto has no route to a service for each route table
        backend.delete_vpc_endpoints([self.id])
    backend.vpc_end_points.pop(self.id, None)


def _detach_gateway(self: Any, account: str, region: str) -> None:
    backend: Any = ec2_backends[account][region]
    if self.gateway_id in backend.internet_gateways:
        backend.detach_internet_gateway(self.gateway_id, self.vpc_id)
