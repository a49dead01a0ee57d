"""Stack of the groups of nodes, with outputs for the operator of the running nodes."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from stacks.network import NetworkStack
from stacks.node_group import NodeGroup
from stacks.node_software import NodeSoftware
from stacks.registry import RegistryStack
from swarmer.core import names
from swarmer.core.cluster import Cluster
from swarmer.core.node import UNFOUNDED

VIA_VPN: Final = "Through the VPN, which is a stack of its own"


class ClusterStack(cdk.Stack):
    """Stack of the nodes. Results: `software`, `cluster_id`, `groups` (by their name in servers.yml)."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        cluster: Cluster,
        network: NetworkStack,
        registry: RegistryStack,
        description: str,
    ) -> None:
        # All assets of this stack are node software, and nodes may read assets with this prefix.
        prefix = names.software_prefix(cluster.name)
        synthesizer = cdk.DefaultStackSynthesizer(bucket_prefix=prefix)
        super().__init__(scope, construct_id, description=description, synthesizer=synthesizer)
        self.software = NodeSoftware(self, "NodeSoftware", prefix=prefix)
        self.cluster_id = ssm.StringParameter(
            self,
            "Identity",
            parameter_name=names.identity_parameter(cluster.name),
            string_value=UNFOUNDED,
            # Nodes write it once. It is deleted with the stack, so that a new cluster may be initialized.
            # The description must stay the same. CloudFormation updates a parameter as a whole, so another
            # description would overwrite the cluster ID with the value above.
            description="The Swarm's id once the cluster was founded: no second one is founded then",
        )
        parent = Construct(self, "Groups")
        self.groups = {
            group.name: NodeGroup(
                parent,
                group.name,
                cluster=cluster,
                group=group,
                network=network,
                bucket=registry.bucket,
                cluster_id=self.cluster_id,
                software=self.software,
            )
            for group in cluster.groups
        }
        self._add_outputs(cluster)

    def _add_outputs(self, cluster: Cluster) -> None:
        domain = cluster.domain
        self._output("Shell", shell_command(cluster.name), "Opens a shell on a node (Session Manager)")
        self._output(names.OUTPUT_VERSION, version("swarmer"), "Release of Swarmer that deployed the cluster")
        self._output("Registry", names.registry_name(domain), f"Tag images with it. {VIA_VPN}")
        self._output("DockerHost", f"tcp://{names.docker_host(domain)}", f"Set DOCKER_HOST to it. {VIA_VPN}")
        self._output("ConsulUi", consul_ui(domain), f"Members, services, health. {VIA_VPN}")
        self._output(
            "AutoScalingGroups",
            cdk.Fn.join(" ", [group.auto_scaling_group.ref for group in self.groups.values()]),
            "One for each group of servers.yml",
        )

    def _output(self, construct_id: str, value: str, description: str) -> None:
        cdk.CfnOutput(self, construct_id, value=value, description=description)


def shell_command(cluster: str) -> str:
    """Return the shell command that opens a session on any running node of the cluster."""
    return (
        'aws ssm start-session --target "$(aws ec2 describe-instances'
        f" --filters Name=tag:{names.TAG_CLUSTER},Values={cluster} Name=instance-state-name,Values=running"
        " --query 'Reservations[0].Instances[0].InstanceId' --output text)\""
    )


def consul_ui(domain: str) -> str:
    return f"http://consul.service.{domain}:{names.CONSUL_HTTP_PORT}/ui"
