"""Steps of `swarmer up`: from servers.yml to a validated cluster."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from swarmer.adapters import process
from swarmer.core.errors import UserError
from swarmer.core.health import Status, judge
from swarmer.local import aws_daemon, environment, host, node_containers, node_engine, node_image
from swarmer.local.console import Console
from swarmer.local.environment import Environment
from swarmer.local.node_containers import Node
from swarmer.local.progress import Display
from swarmer.operations.observer import Observer
from swarmer.operations.wait import OBSERVATION_INTERVAL_S, Streak
from swarmer.providers.rehearsal import account, cloud
from swarmer.providers.rehearsal.down import UP_PID, remove

BOOT_TIMEOUT_S: Final = 240.0
"""Timeout for all nodes to boot and the cluster to be validated, in seconds."""
MACHINES_TIMEOUT_S: Final = 60.0
"""Timeout for every instance to get its machine, in seconds."""


class BootFailure(UserError):
    """A node is dead or late; the text has its name and its last lines."""

    def __init__(self, text: str) -> None:
        super().__init__(text, status=1)


class AlreadyRunning(UserError):
    """Another `up` of this cluster is at work."""


@dataclass(kw_only=True)
class Up:
    """Shared state of the steps."""

    env: Environment
    display: Display
    image: str | None = None
    """Name of a node image that replaces the built one."""
    retain: bool = False
    boot_timeout_s: float = BOOT_TIMEOUT_S
    apart_s: float = 0.0
    """Time between the starts of nodes, in seconds. Servers start last, although all others wait for them."""
    boundary: str | None = None
    """Document of the permissions boundary of servers.yml; None: it stays unchanged."""
    is_new: bool = True
    nodes: list[Node] = field(default_factory=list)
    deployment: cloud.Deployment = field(init=False)
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self) -> Status:
        """Run all steps. Raises UserError; a new cluster that failed is removed completely."""
        began_s = time.monotonic()
        with self.removed_on_failure():
            self.start_aws()
            self.synthesise()
            with cloud.deploying(self.env) as deployment:
                self.deployment = deployment
                self.deploy()
                status = self.boot()
        self.seconds |= self.display.seconds | {"total": time.monotonic() - began_s}
        (self.env.state / "timings.json").write_text(json.dumps(self.seconds, indent=1))
        return status

    def run_aws(self) -> dict[str, str]:
        """Start AWS without a cluster; return the environment variables for its clients. Raises UserError."""
        with self.removed_on_failure():
            self.start_aws()
        return environment.aws_variables(self.env.aws_url, self.env.region)

    @contextmanager
    def removed_on_failure(self) -> Iterator[None]:
        """Prepare the machine and run the block as the cluster's only `up`.

        A new rehearsal whose block fails is removed completely.
        """
        self.is_new = not self.env.state.exists()
        self.prepare_machine()
        self.env = aws_daemon.with_free_port(self.env)
        try:
            with _terminable(), exclusive(self.env):
                yield
        except AlreadyRunning:
            raise
        except (UserError, process.Failed, KeyboardInterrupt):
            if self.is_new and not self.retain:
                with self.display.step("remove", "Removes what was made"):
                    remove(self.env)
            raise

    def prepare_machine(self) -> None:
        """Prepare Docker Engine, the CDK and the node image; the last two are independent."""
        node_engine.release()  # an unknown release is refused before any installation
        with self.display.step("engine", "Docker Engine") as report:
            report(f"={host.ensure_engine()}")
        with self.display.step("image", "Node image and CDK") as report, ThreadPoolExecutor() as pool:
            cdk = pool.submit(host.ensure_cdk)
            if self.image is None:
                if not node_image.exists(node_image.base_tag()):
                    host.ensure_packages(("mmdebstrap", "mmdebstrap"))
                self.image = node_image.ensure_image(environment.CACHE, report)
            cdk.result()
            report(f"={self.image}")

    def start_aws(self) -> None:
        """Create the VPC's network, then start moto at its gateway."""
        with self.display.step("aws", "AWS on this machine") as report:
            cloud.ensure_region(self.env)
            node_containers.ensure_network(self.env)
            cloud.ensure_aws(self.env, str(self.image), self.apart_s)
            account.ensure(self.env, self.boundary)
            report(f"={self.env.aws_url}")

    def synthesise(self) -> None:
        """Synthesise the stacks with the real CDK. Raises description.Invalid for changes that AWS cannot
        make."""
        cloud.check_changes(self.env)
        with self.display.step("synth", "cdk bootstrap, cdk synth"):
            cloud.bootstrap_and_synthesise(self.env)

    def deploy(self) -> None:
        """Deploy with the real CDK, until it only waits for nodes."""
        with self.display.step("deploy", "cdk deploy --all"):
            while not (self.deployment.is_over() or self.deployment.waits_for_nodes()):
                time.sleep(0.2)

    def boot(self) -> Status:
        """Wait until the cluster is validated and its stack is complete."""
        status = self.await_cluster()
        with self.display.step("complete", "cdk deploy: every node is in service"):
            self.deployment.wait(self.boot_timeout_s)
        # The last of several changed stacks may have launched more nodes.
        if {node.name for node in cloud.instances(self.env)} - {node.name for node in status.nodes}:
            status = self.await_cluster()
        return status

    def await_cluster(self) -> Status:
        """Wait until each instance has its machine and the cluster is validated."""
        self.nodes = cloud.instances(self.env)
        began_at = datetime.now(UTC)
        self.await_machines()
        # Machines boot as soon as AWS has their instances, during the deployment.
        first = min(
            (datetime.fromisoformat(text) for text in node_containers.running(self.env).values()),
            default=began_at,
        )
        status = self.validate()
        self.seconds["boot"] = (datetime.now(UTC) - (first if self.is_new else began_at)).total_seconds()
        done = f"{len(self.nodes)} nodes booted, cluster validated"
        self.display.terminal.print(f"[green]✓[/green] {done} [dim]({self.seconds['boot']:.1f} s)[/dim]")
        return status

    def await_machines(self) -> None:
        """Wait until every instance's machine runs; switched-off machines are switched on."""
        deadline_s = time.monotonic() + MACHINES_TIMEOUT_S + self.apart_s * len(self.nodes)
        while True:
            held, up = node_containers.addresses(self.env), node_containers.running(self.env)
            off = [node for node in self.nodes if node.name in held and node.name not in up]
            if off:
                node_containers.start(self.env, *off)
            missing = [node.name for node in self.nodes if node.name not in held]
            if not missing:
                return
            if time.monotonic() > deadline_s:
                raise UserError(f"{missing[0]} got no machine: see {self.env.state}/aws.log", status=1)
            time.sleep(0.1)

    def validate(self) -> Status:
        """Follow the consoles until all are ready, then observe until the cluster is validated."""
        consoles: dict[str, Console] = {}
        self.follow(consoles)
        deadline_s = time.monotonic() + self.boot_timeout_s
        try:
            with self.display.booting(self.nodes, consoles) as draw, cloud.observer(self.env) as observer:
                while not all(console.is_ready for console in consoles.values()):
                    self.check_alive(consoles, deadline_s, "not ready")
                    draw(f"{sum(each.is_ready for each in consoles.values())} of {len(consoles)} nodes ready")
                    time.sleep(0.1)
                return self.observe_until_validated(observer, consoles, deadline_s, draw)
        finally:
            for console in consoles.values():
                console.close()

    def follow(self, consoles: dict[str, Console]) -> None:
        """Follow the console of every node that has none yet."""
        since = node_containers.running(self.env)
        for node in self.nodes:
            if node.name not in consoles:
                consoles[node.name] = Console(self.env, node.name, since.get(node.name, ""))
                consoles[node.name].follow()

    def update_nodes(self, consoles: dict[str, Console]) -> None:
        """Follow changes by Auto Scaling meanwhile: launched and terminated nodes."""
        self.nodes[:] = cloud.instances(self.env)
        for name in consoles.keys() - {node.name for node in self.nodes}:
            consoles.pop(name).close()
        if any(node.name not in consoles for node in self.nodes):
            self.await_machines()
            self.follow(consoles)

    def observe_until_validated(
        self, observer: Observer, consoles: dict[str, Console], deadline_s: float, draw: Callable[[str], None]
    ) -> Status:
        """Wait until the cluster is validated."""
        streak = Streak()
        while True:
            status = judge(
                self.env.cluster.name,
                tuple(node.expected for node in self.nodes),
                observer.observe([node.expected for node in self.nodes]),
            )
            if streak.add(status):
                return status
            note = streak.note(status)
            draw(note)
            self.check_alive(consoles, deadline_s, note)
            if not status.validated:
                self.update_nodes(consoles)
            time.sleep(OBSERVATION_INTERVAL_S)

    def check_alive(self, consoles: dict[str, Console], deadline_s: float, note: str) -> None:
        """Check that no node is dead, no deployment failed, and the time is not up. Raises UserError."""
        self.deployment.is_over()
        if any(console.dead_reason for console in consoles.values()):
            self.update_nodes(consoles)  # Auto Scaling may have terminated it on purpose
        for name, console in consoles.items():
            if console.dead_reason:
                raise BootFailure(f"{name} cannot boot: {console.dead_reason}\n{_last_lines(console)}")
        if time.monotonic() > deadline_s:
            late = [name for name, console in consoles.items() if not console.is_ready]
            name = late[0] if late else next(iter(consoles))
            what = f"{name} is not ready" if late else f"the cluster is not validated ({note})"
            raise BootFailure(f"{what} after {self.boot_timeout_s:.0f} s\n{_last_lines(consoles[name])}")


def _last_lines(console: Console) -> str:
    return "\n".join(f"    {line}" for line in console.last)


@contextmanager
def exclusive(env: Environment) -> Iterator[None]:
    """Hold the lock of one `up` per cluster. It ends with the process; `down` can find the holder."""
    env.state.mkdir(parents=True, exist_ok=True)
    with (env.state / UP_PID).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            lock.seek(0)
            raise AlreadyRunning(
                f"process {lock.read().strip()} already starts {env.cluster.name}: wait until it ends",
                status=1,
            ) from exc
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield
        lock.truncate(0)


@contextmanager
def _terminable() -> Iterator[None]:
    """Turn SIGTERM into the end that Ctrl-C causes, so that unfinished parts are removed."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
