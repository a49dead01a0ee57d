"""Steps of the smoke test, in their order. All of them act through `swarmer` and the APIs of AWS."""

from __future__ import annotations

import json
import secrets
import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Final

from swarmer.adapters import aws
from swarmer.adapters.account import Account
from swarmer.adapters.stacks import StackResource
from swarmer.core import names
from swarmer.core.cluster import Cluster
from swarmer.local import environment
from tests.smoke import leftovers
from tests.smoke.command import Failed, Swarmer
from tests.smoke.leftovers import Left

DEPLOY_TIMEOUT_S: Final = 5400.0
"""Timeout for the deploy, in seconds: CloudFormation itself waits an hour for nodes."""
VALIDATE_TIMEOUT_S: Final = 900.0
"""Timeout for a deployed cluster to be validated, in seconds."""
HEAL_TIMEOUT_S: Final = 1800.0
"""Timeout for a terminated node to be replaced, in seconds."""
DESTROY_TIMEOUT_S: Final = 5400.0
"""Timeout for the end of all stacks, in seconds: Lambda may keep its network interfaces for 45 minutes."""
PROMISE_TIMEOUT_S: Final = 300.0
"""Timeout for a service to have its name on each node, and for AWS's answers to become consistent after the
end of the stacks, in seconds."""
PAUSE_S: Final = 5.0
"""Pause between two looks at AWS, which limits the rate of calls, in seconds."""
REHEARSED_PAUSE_S: Final = 1.0
"""Pause between two looks at the AWS of this machine, in seconds."""
SERVICE: Final = "smoke-web"
"""Name of the service in Swarm and in Consul."""
PORT: Final = 30080
"""Port of the service on each node, one of `network.service_ports`."""


@dataclass(kw_only=True)
class Run:
    """State that the steps share."""

    swarmer: Swarmer
    account: Account
    cluster: Cluster
    pause_s: float = PAUSE_S
    word: str = field(default_factory=lambda: secrets.token_hex(8))
    """Word that only this run's image contains."""
    versions: dict[str, str] = field(default_factory=dict)
    resources: list[StackResource] = field(default_factory=list)
    """Resources of the stacks as they were before the cluster was destroyed."""
    nodes: tuple[str, ...] = ()
    """Names of the nodes of the validated cluster, before one is terminated."""
    victim: str = ""
    """Name of the node that is terminated."""
    left: list[Left] = field(default_factory=list)

    @property
    def image(self) -> str:
        """Image of the service in the cluster's own registry."""
        return f"{names.registry_name(self.cluster.domain)}/smoke"

    @property
    def service_name(self) -> str:
        """DNS name of the service."""
        return f"{SERVICE}.service.{self.cluster.domain}"

    def on(self, node: str, script: str, timeout_s: float = 300) -> str:
        """Output of a shell script on a node. Raises Failed."""
        return self.swarmer.check("exec", node, "--", "sh", "-ec", script, timeout_s=timeout_s).strip()

    def status(self) -> Mapping[str, Any]:
        """Value of `swarmer status --json`. Raises Failed."""
        found: Mapping[str, Any] = self.swarmer.json("status")
        return found


@dataclass(frozen=True)
class Step:
    """One step: its name, its promise as a sentence, and the function that keeps it.

    The function returns what it saw, in one line. It raises Failed or aws.Unavailable.
    """

    name: str
    promise: str
    act: Callable[[Run], str]


def examine(run: Run) -> str:
    """Ask whether the account has everything that a deploy needs."""
    missing = [
        f"{each['what']}: {each['advice'] or each['found']}"
        for each in run.swarmer.json("doctor", "--aws")
        if each["state"] == "missing"
    ]
    if missing:
        raise Failed("; ".join(missing))
    return "nothing is missing"


def deploy(run: Run) -> str:
    """Deploy all stacks into the account; type the next command, which lists the Swarm's nodes."""
    printed = run.swarmer.check("deploy", "--yes", timeout_s=DEPLOY_TIMEOUT_S, echo=True)
    if "Leader" not in run.swarmer.check("exec", *_next_command(printed)):
        raise Failed("the command that `swarmer deploy` printed lists no leader")
    run.resources = leftovers.recorded(run.account, run.cluster.name)
    return f"{len(run.resources)} resources in {len({each.stack for each in run.resources})} stacks"


def _next_command(printed: str) -> list[str]:
    """Node and command of the last line that a deploy prints. Raises Failed."""
    words = shlex.split(printed.splitlines()[-1]) if printed else []
    if "exec" not in words:
        raise Failed("`swarmer deploy` printed no next command")
    return words[words.index("aws") + 1 :]


def validate(run: Run) -> str:
    """Wait until every node is healthy and the zones are as described."""
    wanted = sum(group.smallest for group in run.cluster.groups)
    status = _await_validated(run, VALIDATE_TIMEOUT_S, lambda names: len(names) == wanted)
    run.nodes = _names(status)
    zones = {each["zone"] for each in status["nodes"]}
    if len(zones) != run.cluster.network.zone_count:
        raise Failed(f"the nodes are in {len(zones)} zones, not in {run.cluster.network.zone_count}")
    return f"{len(status['nodes'])} nodes in {len(zones)} zones"


def ask_versions(run: Run) -> str:
    """Ask a node for the releases of its programs."""
    script = (
        "echo Debian=$(cat /etc/debian_version); echo kernel=$(uname -r); "
        "echo Docker=$(docker version --format '{{.Server.Version}}'); "
        "echo Consul=$(consul version | sed -n 's/^Consul v//p'); "
        "dpkg-query -W -f '${Package}=${Version}\\n' containerd runc docker-registry systemd cloud-init"
    )
    node = run.nodes[0]
    pairs = [line.partition("=") for line in run.on(node, script).splitlines()]
    run.versions |= {name: found for name, _, found in pairs}
    run.versions |= {"the CDK's command line": _cdk_version(), "boto3": version("boto3")}
    with aws.translated():
        found = run.account.client("ssm").describe_instance_information()["InstanceInformationList"]
    run.versions["Session Manager's agent"] = ", ".join(
        sorted({each.get("AgentVersion", "") for each in found})
    )
    return ", ".join(f"{name} {run.versions[name]}" for name in ("Debian", "Docker", "Consul"))


def _cdk_version() -> str:
    """Release of the CDK's command line, which the deploy has installed."""
    package = environment.ROOT / "node_modules/aws-cdk/package.json"
    return str(json.loads(package.read_text())["version"])


def push(run: Run) -> str:
    """Make an image on a node and push it to the cluster's registry."""
    node = run.nodes[0]
    script = (
        f"cd $(mktemp -d); cp /opt/swarmer/probe.tar image.tar; echo {run.word} > index.html; "
        f"tar -rf image.tar index.html; docker import image.tar {run.image} > imported; "
        f"docker push -q {run.image}"
    )
    run.on(node, script)
    objects = run.swarmer.json("bucket")["objects"]
    if not any("/repositories/smoke/" in each["key"] for each in objects):
        raise Failed(f"the bucket has {len(objects)} objects, and none of the image")
    return f"{len(objects)} objects in the bucket"


def start_service(run: Run) -> str:
    """Run the image on every node as a service of the Swarm."""
    node = run.nodes[0]
    run.on(
        node,
        f"docker service create --quiet --detach=false --name {SERVICE} --mode global --endpoint-mode dnsrr "
        f"--env SERVICE_NAME={SERVICE} --publish mode=host,published={PORT},target=8080 "
        f"{run.image} httpd -f -p 8080 -h /",
        timeout_s=PROMISE_TIMEOUT_S,
    )
    return f"one task on each of {len(run.nodes)} nodes"


def find_name(run: Run) -> str:
    """Resolve the service's name on every node, and read this run's word under it."""
    addresses = _address_set(run.status())
    _until(
        run,
        lambda: all(_sees(run, node, addresses) for node in run.nodes),
        f"{run.service_name} does not lead to every node and this run's image",
    )
    return f"{run.service_name} leads to {len(addresses)} nodes, from each of them"


def terminate(run: Run) -> str:
    """Terminate the node that serves the registry."""
    run.victim = run.status()["registry"]["holder"]
    if run.victim not in run.nodes:
        raise Failed(f"no node serves the registry: the holder is {run.victim or 'nobody'}")
    run.swarmer.check("terminate", "--yes", run.victim)
    return "the node that held the registry"


def heal(run: Run) -> str:
    """Wait until the cluster is healthy with a new node, which serves the image under the same name."""

    def is_replaced(names: tuple[str, ...]) -> bool:
        return len(names) == len(run.nodes) and run.victim not in names

    status = _await_validated(run, HEAL_TIMEOUT_S, is_replaced)
    (newcomer,) = set(_names(status)) - set(run.nodes)
    addresses = _address_set(status)
    _until(
        run,
        lambda: _sees(run, newcomer, addresses),
        f"{run.service_name} does not lead to every node and this run's image",
    )
    return "the new node pulled the image and has the service's name"


def destroy(run: Run) -> str:
    """Delete all stacks."""
    run.resources = leftovers.recorded(run.account, run.cluster.name)
    run.swarmer.check("destroy", "--yes", timeout_s=DESTROY_TIMEOUT_S, echo=True)
    return f"{len(run.resources)} resources were in the stacks"


def prove_remains(run: Run) -> str:
    """Ask each resource's own service whether it is gone."""

    def only_retained() -> bool:
        run.left = leftovers.everything(run.account, run.cluster.name, run.resources)
        return all(each.is_retained for each in run.left)

    retained = [each for each in run.resources if each.is_retained]
    try:
        _until(run, only_retained, "resources are left that should be gone")
    except Failed as exc:
        more = [str(each) for each in run.left if not each.is_retained]
        raise Failed(f"{exc}: {', '.join(more)}") from exc
    if {each.id for each in run.left} != {each.id for each in retained}:
        raise Failed(f"{len(retained)} resources should stay, but {len(run.left)} are there")
    asked = [each for each in run.resources if each.kind not in leftovers.PARTS]
    return (
        f"{len(asked)} resources were asked for: {len(asked) - len(retained)} are gone, {len(retained)} stays"
    )


STEPS: Final = (
    Step("doctor", "The account has everything that a deploy needs.", examine),
    Step("deploy", "`swarmer deploy` makes the cluster.", deploy),
    Step("validate", "`swarmer status` finds every node healthy, in three zones.", validate),
    Step("versions", "A node says what it runs.", ask_versions),
    Step("push", "A node pushes an image to the cluster's registry, into S3.", push),
    Step("service", "Every node pulls the image and runs it as a service.", start_service),
    Step("name", "The service has a name in Consul, and answers under it on every node.", find_name),
    Step("terminate", "`swarmer terminate` ends the node that holds the registry.", terminate),
    Step("heal", "Another node takes its place, with the image and the name.", heal),
    Step("destroy", "`swarmer destroy` deletes the stacks.", destroy),
    Step("remains", "Only what is meant to stay is left in the account.", prove_remains),
)


def _await_validated(
    run: Run, within_s: float, is_right: Callable[[tuple[str, ...]], bool]
) -> Mapping[str, Any]:
    """Status of the validated cluster, once its nodes are right. Raises Failed with the last problem."""
    deadline_s = time.monotonic() + within_s
    problem = ""
    while time.monotonic() < deadline_s:
        try:
            status = run.status()
            if status["validated"] and is_right(_names(status)):
                return status
            problem = next(iter(status["problems"]), f"{len(status['nodes'])} nodes")
        except Failed as exc:  # one look may fail while a node is lost
            problem = str(exc)
        time.sleep(run.pause_s)
    raise Failed(f"the cluster is not validated after {within_s:.0f} s: {problem}")


def _names(status: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(each["name"] for each in status["nodes"])


def _address_set(status: Mapping[str, Any]) -> set[str]:
    return {each["address"] for each in status["nodes"]}


def _sees(run: Run, node: str, addresses: set[str]) -> bool:
    """Whether the service's name leads to these addresses on a node, and this run's page answers there.

    A container of the service's image reads the page.
    """
    page = f"http://{run.service_name}:{PORT}/index.html"
    script = f"getent ahostsv4 {run.service_name}; docker run --rm {run.image} wget -q -O - {page}"
    try:
        *found, word = run.on(node, script).splitlines()
    except (Failed, ValueError):
        return False
    return {line.split()[0] for line in found} == addresses and word == run.word


def _until(run: Run, promise: Callable[[], bool], what: str) -> None:
    """Wait until the promise holds, for PROMISE_TIMEOUT_S. Raises Failed."""
    deadline_s = time.monotonic() + PROMISE_TIMEOUT_S
    while not promise():
        if time.monotonic() > deadline_s:
            raise Failed(f"{what} after {PROMISE_TIMEOUT_S:.0f} s")
        time.sleep(run.pause_s)
