"""The whole, for real: cdk deploy, nodes that boot, a cluster that people can use."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import time
import urllib.request
from importlib.metadata import version
from typing import Any

import boto3
import dns.resolver
import pytest

from swarmer.adapters.consul import Consul
from swarmer.cli.status import warn_of_version
from swarmer.core import user_data
from swarmer.local import engine, environment, node_engine, node_image
from swarmer.providers.rehearsal import cloud
from tests.rehearsal.conftest import SWARMER, Cluster, containers, swarmer, until, watched

pytestmark = pytest.mark.cluster

IMAGE = "registry.service.swarmer:5000/hello"


@pytest.fixture(scope="module")
def image(cluster: Cluster) -> str:
    """An image in the cluster's registry, pushed through a manager."""
    saved = subprocess.run(
        ["docker", "save", node_image.PROBE_IMAGE],
        env=engine.docker_environment(),
        capture_output=True,
        check=True,
    )
    cluster.docker("load", stdin=saved.stdout)
    cluster.docker("tag", node_image.PROBE_IMAGE, IMAGE)
    cluster.docker("push", IMAGE)
    return IMAGE


def answers(address: str, name: str) -> set[str]:
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [address]
    return {record.to_text() for record in resolver.resolve(name, "A", lifetime=5)}


# -- what `up` shows ------------------------------------------------------------------------


def test_up_ends_with_a_table_and_the_next_commands(cluster: Cluster) -> None:
    shown = cluster.up.stdout + cluster.up.stderr
    for node in cluster.nodes():
        assert node["name"] in shown
    for word in ("export DOCKER_HOST=tcp://", "registry.service.swarmer:5000", "make down"):
        assert word in shown


def test_status_says_the_same_to_programs(cluster: Cluster) -> None:
    done = swarmer("status", "--json")
    assert done.returncode == 0, done.stdout
    status = cluster.status()
    assert status["validated"]
    assert status["problems"] == []
    assert [node["group"] for node in status["nodes"]] == ["core"] * 3 + ["workers"] * 2
    assert len({node["zone"] for node in status["nodes"] if node["group"] == "core"}) == 3


def test_watching_shows_the_nodes_and_ends_well_with_ctrl_c(cluster: Cluster) -> None:
    # Below nohup Ctrl-C is ignored.
    argv = ["env", "--default-signal=INT", SWARMER, "status", "--watch", "--json"]
    watching = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert watching.stdout is not None
    first = json.loads(watching.stdout.readline())
    watching.send_signal(signal.SIGINT)
    watching.stdout.close()
    assert watching.wait(20) == 0
    assert len(first["nodes"]) == 5


def test_a_nodes_container_has_the_address_and_user_data_of_its_instance(cluster: Cluster) -> None:
    for node in cloud.instances(cluster.env):
        assert node.expected.address in cluster.on(node.name, "ip", "-4", "addr")
        read = cluster.on(node.name, "cloud-init", "query", "userdata")
        assert read.strip() == node.user_data.strip()
        assert len(node.user_data.encode()) < user_data.LIMIT_BYTES


def test_user_data_passes_cloud_inits_own_schema_check(cluster: Cluster) -> None:
    for node in (cluster.nodes()[0], cluster.nodes()[-1]):
        assert "Valid schema" in cluster.on(node["name"], "cloud-init", "schema", "--system")


def test_no_unit_of_ours_has_failed_on_any_node(cluster: Cluster) -> None:
    for node in cluster.nodes():
        assert cluster.on(node["name"], "systemctl", "--failed", "--plain", "--no-legend") == ""


def test_the_agent_and_the_registrator_run_on_every_node(cluster: Cluster) -> None:
    # A unit that nobody started has not failed either.
    for node in cluster.nodes():
        states = cluster.on(node["name"], "systemctl", "is-active", "swarmer-agent", "swarmer-registrator")
        assert states.split() == ["active", "active"], node["name"]


def test_every_node_runs_the_docker_engine_that_was_asked_for(cluster: Cluster) -> None:
    rows = json.loads(cluster.docker("node", "inspect", *cluster.docker("node", "ls", "-q").split()))
    versions = {row["Description"]["Engine"]["EngineVersion"] for row in rows}
    assert [version.partition(".")[0] for version in versions] == [node_engine.release()], versions


# -- what people do -----------------------------------------------------------------------------


def test_docker_on_port_4000_of_any_manager_shows_the_five_nodes(cluster: Cluster) -> None:
    for manager in cluster.nodes("swarm-manager"):
        rows = cluster.docker(
            "node", "ls", "--format", "{{.Hostname}} {{.Status}}", address=manager["address"]
        )
        assert sorted(rows.splitlines()) == sorted(f"{node['name']} Ready" for node in cluster.nodes())


def test_a_service_on_another_node_pulls_what_was_pushed(cluster: Cluster, image: str) -> None:
    worker = cluster.nodes()[-1]
    cluster.docker(
        *("service", "create", "-d", "--name", "pulled", "--constraint", f"node.hostname=={worker['name']}"),
        *("--endpoint-mode", "dnsrr", image, "sleep", "600"),
    )

    def runs() -> bool:
        return "Running" in cluster.docker("service", "ps", "pulled", "--format", "{{.CurrentState}}")

    until(runs, 60, "the service does not run")
    assert worker["name"] in cluster.docker("service", "ps", "pulled", "--format", "{{.Node}}")
    cluster.docker("service", "rm", "pulled")


def test_blobs_lie_in_the_bucket(cluster: Cluster, image: str) -> None:
    s3 = boto3.client(
        "s3",
        endpoint_url=cluster.env.aws_url,
        region_name=environment.REGION,
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )
    (bucket,) = [each["Name"] for each in s3.list_buckets()["Buckets"] if "cdk" not in each["Name"]]
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert any("/blobs/sha256/" in key for key in keys)
    assert any("/repositories/hello/" in key for key in keys)


def test_every_node_resolves_the_clusters_names_on_port_53(cluster: Cluster) -> None:
    nodes = cluster.nodes()
    managers = {node["address"] for node in cluster.nodes("swarm-manager")}
    (leader,) = {node["address"] for node in cluster.nodes() if node["swarm_role"] == "leader"}
    registry = cluster.status()["registry"]["address"].partition(":")[0]
    for node in nodes:
        assert answers(node["address"], "swarm-4000.service.swarmer") == {leader}
        assert answers(node["address"], "swarm-manager.service.swarmer") == managers
        assert answers(node["address"], "registry.service.swarmer") == {registry}
        for other in nodes:
            assert answers(node["address"], f"{other['name']}.node.swarmer") == {other["address"]}


def test_consuls_ui_opens(cluster: Cluster) -> None:
    with urllib.request.urlopen(f"http://{cluster.nodes()[0]['address']}:8500/ui/", timeout=5) as page:
        assert b"Consul" in page.read()


def test_a_container_with_a_published_port_has_a_name(cluster: Cluster, image: str) -> None:
    worker = cluster.nodes()[-1]
    run = ["docker", "run", "-d", "--name", "web", "-e", "SERVICE_NAME=hello", "-p", "8080:80", image]
    cluster.on(worker["name"], *run, "httpd", "-f", "-p", "80")

    def is_named() -> bool:
        return found(cluster, "hello.service.swarmer") == {worker["address"]}

    until(is_named, 15, "the container has no name")
    cluster.on(worker["name"], "docker", "rm", "-f", "web")
    until(lambda: not is_named(), 15, "the name outlives its container")


def found(cluster: Cluster, name: str) -> set[str]:
    """Addresses of a name; none where there is no such name."""
    try:
        return answers(cluster.nodes()[0]["address"], name)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return set()


def test_a_container_that_is_unhealthy_leaves_dns_and_comes_back(cluster: Cluster, image: str) -> None:
    worker, name = cluster.nodes()[-1], "careful.service.swarmer"
    health = ["--health-cmd", "test -e /tmp/well", "--health-interval", "1s", "--health-retries", "1"]
    run = ["docker", "run", "-d", "--name", "careful", "-e", "SERVICE_NAME=careful", "-p", "8082:80", *health]
    cluster.on(worker["name"], *run, image, "sh", "-c", "touch /tmp/well; exec httpd -f -p 80")
    until(lambda: found(cluster, name) == {worker["address"]}, 20, "the healthy container has no name")
    cluster.on(worker["name"], "docker", "exec", "careful", "rm", "/tmp/well")
    until(lambda: not found(cluster, name), 20, "the unhealthy container keeps its name")
    cluster.on(worker["name"], "docker", "exec", "careful", "touch", "/tmp/well")
    until(lambda: found(cluster, name) == {worker["address"]}, 20, "the name does not come back")
    cluster.on(worker["name"], "docker", "rm", "-f", "careful")


def test_a_task_is_found_by_its_service_stack_node_and_slot(cluster: Cluster, image: str) -> None:
    cluster.docker(
        *("service", "create", "-d", "--name", "shop_web", "--label", "com.docker.stack.namespace=shop"),
        *("--container-label", "com.docker.stack.namespace=shop", "--env", "SERVICE_NAME=web"),
        *("--replicas", "2", "--endpoint-mode", "dnsrr", "--publish", "mode=host,target=80,published=8083"),
        *(image, "httpd", "-f", "-p", "80"),
    )
    everywhere = {node["address"] for node in cluster.nodes()}
    until(lambda: len(found(cluster, "web.service.swarmer")) == 2, 30, "the two tasks have no name")
    first, second = (found(cluster, f"slot-{slot}.web.service.swarmer") for slot in (1, 2))
    assert first | second == found(cluster, "service-shop_web.web.service.swarmer")
    assert first | second == found(cluster, "stack-shop.web.service.swarmer")
    assert first != second
    assert first | second <= everywhere
    (where,) = [node["name"] for node in cluster.nodes() if {node["address"]} == first]
    assert found(cluster, f"node-{where}.web.service.swarmer") == first
    cluster.docker("service", "rm", "shop_web")
    until(lambda: not found(cluster, "web.service.swarmer"), 20, "the name outlives its tasks")


def test_what_the_mesh_publishes_is_declared_once_by_every_ready_node(cluster: Cluster, image: str) -> None:
    rows = cluster.docker("node", "ls", "--format", "{{.Hostname}} {{.Status}}").splitlines()
    ready = {row.split()[0] for row in rows if row.endswith(" Ready")}
    nodes = [node for node in cluster.nodes() if node["name"] in ready]
    wanted = sorted((node["name"], node["address"], 30080) for node in nodes)
    assert len(wanted) == len(ready) == 5
    cluster.docker(
        *("service", "create", "-d", "--name", "mesh-probe", "-p", "30080:80"),
        *(image, "httpd", "-f", "-p", "80"),
    )
    # Without IPVS nobody answers there: what is declared is what counts here.
    until(lambda: declared(cluster, "mesh-probe") == wanted, 60, "not every node declares the service once")
    cluster.docker("service", "rm", "mesh-probe")
    until(lambda: not declared(cluster, "mesh-probe"), 30, "an entry outlives its service")
    for node in cluster.nodes():
        services = Consul(node["address"]).services()
        assert "mesh-probe" not in {each.name for each in services}, node["name"]


def declared(cluster: Cluster, name: str) -> list[tuple[str, str, int]]:
    """Node, address and port of each passing instance; by DNS a question by UDP is told three of them."""
    instances = Consul(cluster.nodes()[0]["address"]).healthy(name)
    return sorted((each.node, each.address, each.port) for each in instances)


def test_journal_of_a_node_is_shown_by_a_part_of_its_name(cluster: Cluster) -> None:
    node = cluster.nodes()[0]
    done = swarmer("logs", node["instance_id"], "-n", "5", "-u", "swarmer-agent")
    assert done.returncode == 0, done.stderr
    assert "swarmer" in done.stdout
    assert swarmer("logs", "core").returncode == 2


# -- what must not change anything ---------------------------------------------------------------


def test_up_a_second_time_changes_nothing(cluster: Cluster) -> None:
    before, nodes = containers(cluster.env), cluster.status()["nodes"]
    done = swarmer("up")
    assert done.returncode == 0, done.stdout + done.stderr
    assert containers(cluster.env) == before
    assert cluster.status()["nodes"] == nodes


# -- what happens to nodes -----------------------------------------------------------------------


def test_a_killed_node_takes_neither_consul_nor_swarm_with_it(cluster: Cluster) -> None:
    holder = cluster.status()["registry"]["holder"]
    victim = next(node for node in cluster.nodes("consul-server") if node["name"] != holder)
    others = [node for node in cluster.nodes("consul-server") if node["name"] != victim["name"]]
    assert swarmer("kill", victim["name"]).returncode == 0

    def is_noticed(status: dict[str, Any]) -> bool:
        return any(victim["name"] in problem for problem in status["problems"])

    watched(is_noticed, 30, "nobody notices")
    for node in others:
        assert cluster.on(node["name"], "consul", "kv", "get", "swarmer/swarm/id")
        assert cluster.docker("node", "ls", "-q", address=node["address"])
    assert not cluster.status()["validated"]
    done = swarmer("up")
    assert done.returncode == 0, done.stdout + done.stderr


def swarm_leader(cluster: Cluster, address: str) -> str:
    """Name of the Swarm's leader in the list of the manager at `address`."""
    rows = cluster.docker("node", "ls", "--format", "{{.Hostname}} {{.ManagerStatus}}", address=address)
    return next(row.split()[0] for row in rows.splitlines() if row.endswith(" Leader"))


def test_when_the_swarms_leader_dies_another_is_elected_at_once(cluster: Cluster) -> None:
    """Docker's own election begins after 10 s at the soonest: whose request it was stands in the journals."""
    managers = {node["name"]: node["address"] for node in cluster.nodes("swarm-manager")}
    leader = swarm_leader(cluster, next(iter(managers.values())))
    survivors = {name: address for name, address in managers.items() if name != leader}
    since = ("journalctl", "-o", "cat", "--since", f"@{time.time():.0f}")
    assert swarmer("kill", leader).returncode == 0

    def is_elected() -> bool:
        with contextlib.suppress(AssertionError):
            return all(swarm_leader(cluster, each) != leader for each in survivors.values())
        return False

    until(is_elected, 60, "the Swarm has no leader")
    (elected,) = {swarm_leader(cluster, each) for each in survivors.values()}
    said = {name: cluster.on(name, *since, "-u", "swarmer-agent") for name in survivors}
    assert [name for name in survivors if "stands for election" in said[name]] == [elected], said
    raft = cluster.on(elected, *since, "-u", "docker")
    assert "received MsgTimeoutNow" in raft, raft
    assert raft.count("became candidate") == 1, "it began one election, and won it"
    done = swarmer("up")
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_image_pushed_before_is_pulled_from_the_next_holder(cluster: Cluster, image: str) -> None:
    holder = cluster.status()["registry"]["holder"]
    worker = cluster.nodes()[-1]["name"]
    assert swarmer("kill", holder).returncode == 0
    watched(lambda status: status["registry"]["holder"] not in ("", holder), 40, "nobody takes the registry")
    cluster.on(worker, "docker", "image", "rm", "-f", image)
    cluster.on(worker, "docker", "pull", image)
    done = swarmer("up")
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_address_is_printed_alone_for_scripts(cluster: Cluster) -> None:
    managers = [node["address"] for node in cluster.nodes("swarm-manager")]
    assert swarmer("address", "--role", "swarm-manager").stdout.strip() in managers
    assert swarmer("address", "core", "--all").stdout.split() == sorted(
        managers, key={node["address"]: node["name"] for node in cluster.nodes()}.__getitem__
    )
    refused = swarmer("address", "nowhere")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "no group or node 'nowhere'" in refused.stderr


def test_the_status_tells_the_clusters_version_and_warns_of_another_one(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = version("swarmer")
    assert cluster.status()["version"] == mine
    shown = swarmer("status")
    assert f"{cluster.env.cluster.name} runs swarmer {mine}" in shown.stdout
    assert "deployed by" not in shown.stderr
    warn_of_version("9.9.9")
    assert f"deployed by swarmer 9.9.9, and this is swarmer {mine}" in capsys.readouterr().err
