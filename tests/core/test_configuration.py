"""Configuration of a node's daemons."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from itertools import combinations

import pytest

from swarmer.adapters import catalogue
from swarmer.core import configuration, consul_release, identity, network_plan
from swarmer.core.configuration import Machine
from swarmer.core.identity import AwsEndpoints, MachineIdentity
from swarmer.core.node import CONSUL_SERVER, SWARM_MANAGER, SWARM_WORKER, NodeDescription, Storage

CORE = Machine(
    node=NodeDescription(
        cluster="lab",
        domain="lab.internal",
        group="core",
        roles=(CONSUL_SERVER, SWARM_MANAGER, SWARM_WORKER),
        consul_servers=3,
        network_cidr="10.42.0.0/16",
        storage=Storage(bucket="blobs", region="eu-west-1"),
    ),
    identity=MachineIdentity(
        instance_id="i-0a",
        address="10.42.64.4",
        zone="eu-west-1a",
        region="eu-west-1",
        endpoints=AwsEndpoints(),
    ),
    address="10.42.64.4",
)
WORKER = replace(CORE, node=replace(CORE.node, group="workers", roles=(SWARM_WORKER,)))
REHEARSED = AwsEndpoints(
    aws_endpoint_url="http://10.42.0.1:4566", metadata_endpoint="http://10.42.0.1:4566/imds/"
)


def test_a_node_is_called_by_its_group_and_instance() -> None:
    assert configuration.consul(CORE, (1, 8, 7))["node_name"] == "core-i-0a"


def test_the_registry_keeps_its_blobs_in_s3_or_in_the_directory_that_all_managers_share() -> None:
    kept = replace(CORE, node=replace(CORE.node, storage=Storage(directory="/srv/swarmer/lab/images")))
    s3, shared = (json.loads(configuration.registry(each))["storage"] for each in (CORE, kept))
    assert s3["s3"]["bucket"] == "blobs" and "filesystem" not in s3
    assert shared["filesystem"] == {"rootdirectory": "/srv/swarmer/lab/images"} and "s3" not in shared


def test_only_consul_servers_expect_each_other() -> None:
    assert configuration.consul(CORE, (1, 8, 7))["bootstrap_expect"] == 3
    assert "server" not in configuration.consul(WORKER, (1, 8, 7))


def test_a_server_that_is_silent_for_a_moment_keeps_its_vote() -> None:
    assert configuration.consul(CORE, (1, 8, 7))["autopilot"]["cleanup_dead_servers"] is False
    assert configuration.consul(CORE, (1, 8, 7))["autopilot"]["min_quorum"] == 3


def test_a_server_of_a_cluster_that_exists_never_founds_a_second_one() -> None:
    assert "bootstrap_expect" not in configuration.consul(CORE, (1, 8, 7), is_initialized=True)


def test_a_cluster_that_was_halted_for_weeks_starts_again() -> None:
    """Newer releases refuse to start a server that was away for a week; older ones do not know the word."""
    word = "server_rejoin_age_max"
    assert configuration.consul(CORE, (1, 22, 0))[word] == "87600h"
    assert word not in configuration.consul(CORE, (1, 15, 2))
    assert word not in configuration.consul(WORKER, (1, 22, 0))


@pytest.mark.parametrize(
    ("version", "has", "has_not"),
    [((1, 8, 7), "ui", "ui_config"), ((1, 12, 0), "ui_config", "ui"), ((1, 22, 0), "ui_config", "ui")],
)
def test_each_release_of_consul_gets_the_words_it_knows(
    version: tuple[int, ...], has: str, has_not: str
) -> None:
    config = configuration.consul(CORE, version)
    assert has in config
    assert has_not not in config


@pytest.mark.parametrize("machine", [CORE, WORKER], ids=["server", "client"])
def test_what_newer_releases_turn_on_and_nothing_here_uses_is_off(machine: Machine) -> None:
    """The service mesh with its certificates, peering, and gRPC with TLS: on by default since 1.14."""
    told = configuration.consul(machine, consul_release.VERSION)
    assert told["connect"] == told["peering"] == {"enabled": False}
    assert {"connect", "peering"}.isdisjoint(configuration.consul(machine, (1, 13, 9)))


@pytest.mark.parametrize("version", [(1, 22, 4), consul_release.VERSION])
def test_an_agent_answers_the_longest_question_before_it_ends_the_connection(
    version: tuple[int, ...],
) -> None:
    """1.22.4 ended requests after 30 s. The longest question of a node takes 300 s and a sixteenth."""
    limits = configuration.consul(WORKER, version)["http_config"]
    assert set(limits) == {"read_timeout", "write_timeout"}
    for text in limits.values():
        assert text.endswith("m")
        assert int(text.removesuffix("m")) * 60 > catalogue.WATCH_S * 17 / 16
    assert "http_config" not in configuration.consul(WORKER, (1, 22, 3))


@pytest.mark.parametrize(
    ("version", "closed"),
    [
        ((1, 8, 7), {"serf_wan"}),
        ((1, 13, 9), {"serf_wan"}),
        ((1, 14, 0), {"serf_wan", "grpc", "grpc_tls"}),
        ((1, 22, 0), {"serf_wan", "grpc", "grpc_tls"}),
    ],
)
def test_consul_listens_on_no_port_that_nobody_here_uses(version: tuple[int, ...], closed: set[str]) -> None:
    """Servers would join each other on 8302 (serf_wan), which no security group opens."""
    for machine in (CORE, WORKER):
        assert configuration.consul(machine, version)["ports"] == dict.fromkeys(closed, -1)


def test_consul_and_docker_listen_on_no_address_but_loopback_and_the_private_one() -> None:
    assert configuration.consul(CORE, (1, 22, 0))["client_addr"] == "127.0.0.1 10.42.64.4"
    assert configuration.consul(CORE, (1, 22, 0))["bind_addr"] == "10.42.64.4"
    assert configuration.dockerd(CORE, (26, 1, 5))["hosts"] == ["fd://", "tcp://10.42.64.4:4000"]


def test_a_workers_docker_is_reached_on_the_node_only() -> None:
    assert configuration.dockerd(WORKER, (26, 1, 5))["hosts"] == ["fd://"]


def test_an_agent_runs_scripts_only_where_servers_yml_says_so() -> None:
    def told(value: dict[str, object]) -> object:
        machine = replace(WORKER, node=replace(WORKER.node, registrator=value))
        return configuration.consul(machine, (1, 8, 7)).get("enable_script_checks")

    assert told({}) is None
    assert told({"script_checks": False}) is None
    assert told({"script_checks": True}) is True


def test_dockerd_is_told_that_it_has_no_tls() -> None:
    assert configuration.dockerd(CORE, (26, 1, 5))["tls"] is False


@pytest.mark.parametrize(
    ("version", "lowest"),
    [
        ((20, 10, 24), None),
        ((26, 1, 5), None),
        ((28, 5, 2), None),
        ((29, 0, 0), "1.41"),
        ((29, 10, 0), "1.41"),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else value,
)
def test_an_engine_that_would_refuse_old_clients_is_told_to_take_them_if_it_knows_the_key(
    version: tuple[int, ...], lowest: str | None
) -> None:
    """dockerd does not start with a key that it does not know.

    `min-api-version` is in daemon/config/config.go of moby's tag docker-v29.0.0, and not in that of v28.5.2.
    """
    assert configuration.dockerd(CORE, version).get("min-api-version") == lowest


def test_an_engine_of_a_release_that_nobody_has_read_about_gets_no_key_that_it_may_not_know() -> None:
    assert configuration.dockerd(CORE, (30, 0, 0)) == configuration.dockerd(CORE, (28, 5, 2))


def test_the_labels_for_placement_are_the_engines_own_which_no_node_update_changes() -> None:
    told = configuration.dockerd(WORKER, (26, 1, 5))
    assert told["labels"] == ["swarmer.group=workers", "swarmer.zone=eu-west-1a"]


@pytest.mark.parametrize("mtu", [network_plan.VPC_MTU, network_plan.ETHERNET_MTU])
def test_containers_get_the_mtu_of_the_nodes_own_network_on_every_kind_of_network(mtu: int) -> None:
    """Docker's default is 1500, whatever the network carries; the overlay driver subtracts VXLAN itself."""
    told = configuration.dockerd(replace(WORKER, mtu=mtu), (26, 1, 5))
    assert told["mtu"] == mtu
    assert told["default-network-opts"] == {
        "bridge": {"com.docker.network.driver.mtu": str(mtu)},
        "overlay": {"com.docker.network.driver.mtu": str(mtu)},
    }


def test_dockers_networks_lie_where_the_description_keeps_vpc_and_vpn_out_of() -> None:
    for machine in (CORE, WORKER):
        told = configuration.dockerd(machine, (26, 1, 5))
        assert IPv4Interface(told["bip"]).network == network_plan.DOCKER_BRIDGE
        assert IPv4Interface(told["bip"]).ip == IPv4Address(configuration.BRIDGE_ADDRESS)
        (pool,) = told["default-address-pools"]
        assert IPv4Network(pool["base"]) == network_plan.DOCKER_LOCAL_POOL
        assert IPv4Network(pool["base"]).prefixlen < pool["size"] == network_plan.POOL_NETWORK_PREFIX
    pools = list(network_plan.DOCKER_POOLS.values())
    assert not any(one.overlaps(other) for one, other in combinations(pools, 2))


def test_the_registry_keeps_its_blobs_in_s3_with_the_credentials_of_the_instance() -> None:
    config = json.loads(configuration.registry(CORE))
    assert config["storage"]["s3"] == {
        "bucket": "blobs",
        "region": "eu-west-1",
        "encrypt": True,
        "objectacl": "bucket-owner-full-control",
    }
    assert config["storage"]["redirect"] == {"disable": False}
    assert config["http"]["net"] == "unix"  # the proxy listens on the node's address


def test_a_provider_with_its_own_aws_is_used_without_redirects() -> None:
    machine = replace(CORE, identity=replace(CORE.identity, endpoints=REHEARSED))
    config = json.loads(configuration.registry(machine))
    assert config["storage"]["s3"]["regionendpoint"] == "http://10.42.0.1:4566"
    assert config["storage"]["s3"]["secure"] is False
    assert config["storage"]["redirect"] == {"disable": True}


def test_the_domain_is_asked_of_consul_and_containers_may_ask_too() -> None:
    text = configuration.resolved(CORE)
    assert "Domains=~lab.internal\n" in text
    assert "DNSStubListenerExtra=172.17.0.1\nDNSStubListenerExtra=10.42.64.4\n" in text


def test_the_identity_of_a_machine_comes_from_cloud_init_on_ec2_and_nocloud() -> None:
    ec2 = {
        "v1": {"instance_id": "i-0a", "availability_zone": "eu-west-1a", "region": "eu-west-1"},
        "ds": {"meta_data": {"local-ipv4": "10.42.64.4"}},
    }
    nocloud = {
        "v1": {"instance_id": "i-0a", "availability_zone": None, "region": None},
        "ds": {
            "meta_data": {
                "local-ipv4": "10.42.64.4",
                "availability-zone": "eu-west-1a",
                "region": "eu-west-1",
                "swarmer": {"aws_endpoint_url": "http://10.42.0.1:4566"},
            }
        },
    }
    assert identity.parse(json.dumps(ec2)) == CORE.identity
    found = identity.parse(json.dumps(nocloud))
    assert found == replace(CORE.identity, endpoints=AwsEndpoints(aws_endpoint_url="http://10.42.0.1:4566"))


def test_on_aws_the_sdks_are_left_to_their_defaults() -> None:
    assert AwsEndpoints().environment("eu-west-1") == {
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    assert REHEARSED.environment("r")["AWS_ENDPOINT_URL"] == "http://10.42.0.1:4566"


def test_a_machine_whose_seed_is_gone_does_not_join_under_the_name_that_all_such_have() -> None:
    """A volume that was detached after the first boot: cloud-init falls back to its data source None."""
    with pytest.raises(ValueError, match="seed"):
        identity.parse(json.dumps({"v1": {"instance_id": "iid-datasource-none"}, "ds": {"meta_data": {}}}))
