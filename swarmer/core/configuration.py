"""Configuration of a node's daemons: Consul, dockerd, resolved, registry. Pure.

TLS and ACLs are off for now, so Docker and Consul communicate in plain text on the cluster's private network.
Places for certificates mention `certificates`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from swarmer.core import names, network_plan
from swarmer.core.identity import MachineIdentity
from swarmer.core.node import CONSUL_SERVER, SWARM_MANAGER, NodeDescription

Version = tuple[int, ...]
"""Release of Consul or of Docker Engine: (1, 16, 2)."""

BRIDGE_ADDRESS: Final = network_plan.DOCKER_BRIDGE_IP.partition("/")[0]
"""Address of the node for its containers."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Description of a node, with the identity and address of its machine."""

    node: NodeDescription
    identity: MachineIdentity
    address: str
    mtu: int = network_plan.ETHERNET_MTU
    """MTU of the interface that has the address."""

    @property
    def name(self) -> str:
        return names.node_name(self.node.group, self.identity.instance_id)


def consul(machine: Machine, version: Version, *, is_initialized: bool = False) -> dict[str, Any]:
    """Consul's configuration for its release `version`.

    `is_initialized`: whether this cluster had a Consul before. Then a server joins that cluster or waits, and
    never bootstraps a second one.

    The configuration lacks peers, because the agent finds and joins them: at its start, and whenever the node
    is alone.
    """
    node = machine.node
    config: dict[str, Any] = {
        "node_name": machine.name,
        "datacenter": node.cluster,
        "domain": node.domain,
        "data_dir": "/var/lib/consul",
        "bind_addr": machine.address,
        # Plain text on the private network until certificates come: HTTP for operators, Lambdas and the UI.
        "client_addr": f"127.0.0.1 {machine.address}",
        "addresses": {"dns": "127.0.0.1"},
        "node_meta": {
            "group": node.group,
            "zone": machine.identity.zone,
            "instance_id": machine.identity.instance_id,
        },
        # Fail-over is short, because each lookup is fresh and returns only healthy instances.
        "dns_config": {"only_passing": True, "node_ttl": "0s", "service_ttl": {"*": "0s"}},
        # Consul notices a lost node within about 2 s instead of 10: docs/adr/0002-gossip-probe-interval.md.
        # A suspect has suspicion_mult × probe_interval to object.
        "gossip_lan": {
            "probe_interval": "300ms",
            "probe_timeout": "200ms",
            "suspicion_mult": 3,
            "gossip_interval": "100ms",
        },
        # A node that reboots stays a member.
        "leave_on_terminate": False,
        "skip_leave_on_interrupt": True,
        "rejoin_after_leave": True,
        "disable_update_check": True,
        "disable_remote_exec": True,
        # By default the servers also join each other on port 8302. Only federated datacenters need that, and
        # no security group opens the port. With -1 `/v1/catalog/datacenters`, a query of the UI, answers with
        # the own datacenter alone (hashicorp/consul pull request 3984, read 2026-11-30).
        "ports": {"serf_wan": -1},
    }
    if node.registrator.get("script_checks"):
        # With it every client of the API can run commands here. `enable_local_script_checks` would accept
        # only scripts from files, but the registrator uses the API.
        config["enable_script_checks"] = True
    if CONSUL_SERVER in node.roles:
        config |= {
            "server": True,
            **({} if is_initialized else {"bootstrap_expect": node.consul_servers}),
            # HashiCorp recommends 1 for production servers. The default, 5, is for tiny machines.
            "performance": {"raft_multiplier": 1},
            "autopilot": _autopilot(node),
        }
        if version >= (1, 16):
            # By default a server refuses to start after a week's absence, so machines that were halted over
            # the holidays would form no cluster. Here lost servers are removed on proof instead of by age.
            config["server_rejoin_age_max"] = "87600h"
    released = of_release(version)
    config["ports"] |= released.pop("ports", {})
    return config | released


def _autopilot(node: NodeDescription) -> dict[str, Any]:
    """Rules for voting servers. Consul reads them only at the bootstrap, and keeps them as its state."""
    return {
        # A lost server is removed on proof that its instance is gone: docs/adr/0019-autopilot-cleanup-off.md.
        "cleanup_dead_servers": False,
        # Number of servers below which autopilot keeps dead servers. It has no effect while clean-up is off,
        # but Consul has no default for operators who turn clean-up on (`consul operator autopilot`).
        "min_quorum": node.consul_servers,
        # Time that a new server must be healthy before it votes. This is the default. A server that crashes
        # at each start therefore never votes.
        "server_stabilization_time": "10s",
        # With the default, 200 ms, a server with two busy cores counts as unhealthy.
        "last_contact_threshold": "1s",
        # Number of raft log entries that a healthy server may lag behind the leader. This is the default. It
        # is explicit because raft stores this object once, at the bootstrap, and releases may change the
        # default.
        "max_trailing_logs": 250,
    }


def of_release(version: Version) -> dict[str, Any]:
    """Keys that differ between releases: Consul refuses a key that it does not know.

    docs/reference/consul.md has the sources.
    """
    if version < (1, 9):
        return {"ui": True}
    changes: dict[str, Any] = {"ui_config": {"enabled": True}}
    if version >= (1, 14):
        # Since 1.14 the service mesh, its certificate authority, peering and gRPC with TLS are on by
        # default. Nothing here uses them.
        changes |= {
            "ports": {"grpc": -1, "grpc_tls": -1},
            "connect": {"enabled": False},
            "peering": {"enabled": False},
        }
    if version >= (1, 22, 4):
        # Consul ends a request that is older. 1.22.4 ended blocking queries after 30 s. This is the default
        # of later releases, and exceeds the longest query (10 min).
        changes["http_config"] = {"read_timeout": "15m", "write_timeout": "15m"}
    return changes


def dockerd(machine: Machine, version: Version) -> dict[str, Any]:
    """Content of daemon.json for the engine's release `version`.

    Managers also listen on the private address, without TLS for now.
    """
    hosts = ["fd://"]
    if SWARM_MANAGER in machine.node.roles:
        hosts.append(f"tcp://{machine.address}:{names.DOCKER_PORT}")
    return {
        "hosts": hosts,
        # Without this key dockerd waits 15 s to warn about a TCP socket without TLS.
        "tls": False,
        "bip": network_plan.DOCKER_BRIDGE_IP,
        "default-address-pools": [
            {"base": str(network_plan.DOCKER_LOCAL_POOL), "size": network_plan.POOL_NETWORK_PREFIX}
        ],
        "dns": [BRIDGE_ADDRESS],
        "insecure-registries": [names.registry_name(machine.node.domain)],
        "labels": [f"swarmer.group={machine.node.group}", f"swarmer.zone={machine.identity.zone}"],
        "log-driver": "local",
        **_mtu(machine.mtu),
        **_docker_of(version),
    }


def _mtu(mtu: int) -> dict[str, Any]:
    """Keys that give containers the MTU of the node's own network; Docker's default is 1500.

    `mtu` is only for docker0. The defaults of drivers are for ingress, and for networks of a stack without an
    MTU of their own. docker_gwbridge ignores both (moby/moby#41406), so the agent creates it.
    """
    options = {network_plan.MTU_OPTION: str(mtu)}
    return {"mtu": mtu, "default-network-opts": {"bridge": options, "overlay": options}}


def _docker_of(version: Version) -> dict[str, Any]:
    """Keys that differ between releases. Those of 29 are not rehearsed, because no Debian suite has it.

    29.0 to 29.2 refuse clients older than Docker 25 (API 1.44), and so the command line of Debian 12. 29.3
    accepts API 1.40 again. Earlier releases accept 1.24. They do not know the key, and dockerd does not start
    with an unknown key. Source: daemon/config/config.go of moby's tags docker-v29.0.0, docker-v29.3.0 and
    v28.5.2 (2026-11-30).
    """
    if (29,) <= version < (30,):
        return {"min-api-version": "{}.{}".format(*names.DOCKER_API)}
    return {}


def resolved(machine: Machine) -> str:
    """Content of resolved.conf. Consul answers for the cluster's domain, also for containers and the VPN."""
    return (
        "[Resolve]\n"
        f"DNS=127.0.0.1:{names.CONSUL_DNS_PORT}\n"
        f"Domains=~{machine.node.domain}\n"
        "DNSSEC=no\n"
        "LLMNR=no\n"
        "MulticastDNS=no\n"
        # Consul's answers have their own TTL. A name that did not exist a second ago may exist now.
        "Cache=no-negative\n"
        f"DNSStubListenerExtra={BRIDGE_ADDRESS}\n"
        f"DNSStubListenerExtra={machine.address}\n"
    )


def registry(machine: Machine) -> str:
    """Configuration of docker-registry (JSON, which is YAML)."""
    storage, endpoint = machine.node.storage, machine.identity.endpoints.aws_endpoint_url
    config = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            **({"filesystem": {"rootdirectory": storage.directory}} if storage.directory else _s3(machine)),
            "delete": {"enabled": True},
            # Without this cache every pull reads the descriptors of its blobs from the storage. Blobs never
            # change.
            "cache": {"blobdescriptor": "inmemory"},
            # Pulls are redirected to S3, and nodes reach S3 through the gateway endpoint. Only some clients
            # can reach the endpoint of a simulated AWS by its name.
            "redirect": {"disable": bool(endpoint or storage.directory)},
        },
        "http": {"net": "unix", "addr": names.REGISTRY_SOCKET},
    }
    return json.dumps(config, indent=1)


def _s3(machine: Machine) -> dict[str, Any]:
    """Storage of blobs in S3, with the credentials of the instance."""
    storage = machine.node.storage
    s3: dict[str, Any] = {
        "bucket": storage.bucket,
        "region": storage.region,
        "encrypt": True,
        # A bucket that owns every object in it refuses the driver's default, `private`.
        "objectacl": "bucket-owner-full-control",
    }
    # Without an endpoint, Distribution 2.8 refuses every region younger than its SDK
    # (distribution/distribution#4614).
    endpoint = machine.identity.endpoints.aws_endpoint_url or storage.endpoint
    if endpoint:
        s3 |= {"regionendpoint": endpoint, "secure": endpoint.startswith("https:")}
    return {"s3": s3}
