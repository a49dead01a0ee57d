"""The configuration files of a node's daemons, as values: Consul, dockerd, resolved, registry.

Pure. TLS and ACLs are off for now: Docker and Consul speak plainly on the cluster's private
network. Certificates will go where `certificates` is mentioned, and nowhere else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from swarmer.core import names, network_plan
from swarmer.core.identity import Identity
from swarmer.core.node import CONSUL_SERVER, SWARM_MANAGER, NodeDescription

Version = tuple[int, ...]

BRIDGE_ADDRESS: Final = network_plan.DOCKER_BRIDGE_IP.partition("/")[0]
"""The node as its containers see it."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A node's description together with who the machine turned out to be."""

    node: NodeDescription
    identity: Identity
    address: str

    @property
    def name(self) -> str:
        return names.node_name(self.node.group, self.identity.instance_id)


def consul(machine: Machine, version: Version, *, is_founded: bool = False) -> dict[str, Any]:
    """Consul's configuration for its release `version`.

    `is_founded`: this cluster has had a Consul before; a server then joins it or waits, and never founds
    a second one.

    Peers are not in it: the agent finds and joins them, at start and whenever the node is alone.
    """
    node = machine.node
    config: dict[str, Any] = {
        "node_name": machine.name,
        "datacenter": node.cluster,
        "domain": node.domain,
        "data_dir": "/var/lib/consul",
        "bind_addr": machine.address,
        # Plain on the private network until certificates come: HTTP for people, Lambdas and the UI.
        "client_addr": f"127.0.0.1 {machine.address}",
        "addresses": {"dns": "127.0.0.1"},
        "node_meta": {
            "group": node.group,
            "zone": machine.identity.zone,
            "instance_id": machine.identity.instance_id,
        },
        # A name is resolved anew each time, and only to what answers: that is what makes fail-over short.
        "dns_config": {"only_passing": True, "node_ttl": "0s", "service_ttl": {"*": "0s"}},
        # A node that is gone is noticed within about 2 s, not 10: a LAN's round trip is far below 200 ms. A
        # suspect has suspicion_mult × probe_interval to object; who is slow himself waits longer (Lifeguard).
        "gossip_lan": {
            "probe_interval": "300ms",
            "probe_timeout": "200ms",
            "suspicion_mult": 3,
            # What was noticed, and what a suspect objects, travel by gossip: the default, 200 ms a hop, would
            # take much of the 0.9 s that there are to object. More often costs bandwidth, Consul says.
            "gossip_interval": "100ms",
        },
        # A reboot is no farewell.
        "leave_on_terminate": False,
        "skip_leave_on_interrupt": True,
        "rejoin_after_leave": True,
        "disable_update_check": True,
        "disable_remote_exec": True,
    }
    if node.registrator.get("script_checks"):
        # Whoever reaches the API can then run commands here; `enable_local_script_checks` would take scripts
        # from files only, and the registrator declares by the API.
        config["enable_script_checks"] = True
    if CONSUL_SERVER in node.roles:
        config |= {
            "server": True,
            **({} if is_founded else {"bootstrap_expect": node.consul_servers}),
            # 1 is what HashiCorp recommends for production servers; 5, the default, is for tiny ones.
            "performance": {"raft_multiplier": 1},
            "autopilot": _autopilot(node),
        }
        if version >= (1, 16):
            # A server that was away for a week, the default, refuses to start: machines that were halted over
            # the holidays would be no cluster any more. Who is out for good is removed on proof, not by age.
            config["server_rejoin_age_max"] = "87600h"
    return config | _consul_of(version)


def _autopilot(node: NodeDescription) -> dict[str, Any]:
    """Who may vote. Takes effect when a cluster is founded; afterwards it is Consul's own state."""
    return {
        # Consul's default takes a server that is silent for 3 s out of raft; it is back without a vote for
        # 10 s, and a second loss meanwhile is the end of the quorum (seen: one paused, then one killed).
        # A server that is gone for good is removed on proof that its instance is.
        "cleanup_dead_servers": False,
        # Inert while clean-up is off: with so many servers left autopilot removes no dead one. It stands here
        # for whoever turns clean-up on (`consul operator autopilot`): Consul has no default for it.
        "min_quorum": node.consul_servers,
        # A new server votes once it has been healthy for so long: the default, so that one that crashes at
        # each start never counts.
        "server_stabilization_time": "10s",
        # 200 ms, the default, calls a server unhealthy whose two cores are busy.
        "last_contact_threshold": "1s",
        # Entries of raft's log that a healthy server may lag behind the leader. The default, said beside the
        # others: this object is written into raft once, at the founding, and releases may change theirs.
        "max_trailing_logs": 250,
    }


def _consul_of(version: Version) -> dict[str, Any]:
    """What releases spell differently. Rehearsed with 1.8; the newer branches are unrehearsed."""
    if version < (1, 9):
        return {"ui": True}
    changes: dict[str, Any] = {"ui_config": {"enabled": True}}
    if version >= (1, 14):
        # Servers listen for gRPC with TLS by default since 1.14; nothing here uses it.
        changes["ports"] = {"grpc": -1, "grpc_tls": -1}
    return changes


def dockerd(machine: Machine) -> dict[str, Any]:
    """daemon.json. Managers listen on the private address too, plainly until certificates come."""
    hosts = ["fd://"]
    if SWARM_MANAGER in machine.node.roles:
        hosts.append(f"tcp://{machine.address}:{names.DOCKER_PORT}")
    return {
        "hosts": hosts,
        # Said explicitly: without it dockerd waits 15 s to warn about a TCP socket without TLS.
        "tls": False,
        "bip": network_plan.DOCKER_BRIDGE_IP,
        "default-address-pools": [
            {"base": str(network_plan.DOCKER_LOCAL_POOL), "size": network_plan.POOL_NETWORK_PREFIX}
        ],
        "dns": [BRIDGE_ADDRESS],
        "insecure-registries": [names.registry_name(machine.node.domain)],
        "labels": [f"swarmer.group={machine.node.group}", f"swarmer.zone={machine.identity.zone}"],
        "log-driver": "local",
    }


def resolved(machine: Machine) -> str:
    """resolved.conf: the cluster's domain goes to Consul; containers and the VPN may ask too."""
    return (
        "[Resolve]\n"
        f"DNS=127.0.0.1:{names.CONSUL_DNS_PORT}\n"
        f"Domains=~{machine.node.domain}\n"
        "DNSSEC=no\n"
        "LLMNR=no\n"
        "MulticastDNS=no\n"
        # Consul's answers say themselves how long they hold; what was missing a second ago may exist now.
        "Cache=no-negative\n"
        f"DNSStubListenerExtra={BRIDGE_ADDRESS}\n"
        f"DNSStubListenerExtra={machine.address}\n"
    )


def registry(machine: Machine) -> str:
    """docker-registry's configuration (JSON, which is YAML)."""
    storage, endpoint = machine.node.storage, machine.identity.ground.aws_endpoint_url
    config = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            **({"filesystem": {"rootdirectory": storage.directory}} if storage.directory else _s3(machine)),
            "delete": {"enabled": True},
            # Blobs never change: without this every pull asks the storage again what it is made of.
            "cache": {"blobdescriptor": "inmemory"},
            # Pulls are redirected to S3, which nodes reach through the gateway endpoint; a ground with
            # an endpoint of its own is not reachable by that name from everywhere.
            "redirect": {"disable": bool(endpoint or storage.directory)},
        },
        "http": {"net": "unix", "addr": names.REGISTRY_SOCKET},
    }
    return json.dumps(config, indent=1)


def _s3(machine: Machine) -> dict[str, Any]:
    """Blobs in S3, credentials of the instance."""
    storage, endpoint = machine.node.storage, machine.identity.ground.aws_endpoint_url
    s3: dict[str, Any] = {
        "bucket": storage.bucket,
        "region": storage.region,
        "encrypt": True,
        # The driver's default, `private`, is refused by a bucket whose owner owns every object.
        "objectacl": "bucket-owner-full-control",
    }
    if endpoint:
        s3 |= {"regionendpoint": endpoint, "secure": endpoint.startswith("https:")}
    return {"s3": s3}
