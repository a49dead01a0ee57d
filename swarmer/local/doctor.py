"""Check of this machine for a rehearsal: facts, then findings with the remedy for missing parts."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Final

from swarmer.adapters import process
from swarmer.core.errors import UserError
from swarmer.core.finding import Finding, State
from swarmer.local import aws_daemon, engine, environment, host, node_containers, node_image
from swarmer.local.environment import Environment

GIB: Final = 1 << 30
DISK_GIB: Final = 6
"""Disk space of the node image, its build, and the data of five nodes, in GiB."""
NODE_MIB: Final = 350
"""Memory of a node at rest, in MiB; AWS on this machine takes about as much."""
INOTIFY_PER_NODE: Final = 8
"""Number of inotify instances of one node's systemd, dockerd and journald."""
PYTHON: Final = (3, 11)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts about this machine; None means not found."""

    python: tuple[int, int]
    has_venv: bool
    engine: str | None
    """Version of the answering Docker Engine."""
    can_install: bool
    """Whether the user is root on Debian, so that `up` can install missing parts."""
    has_image: bool
    has_mmdebstrap: bool
    node: str | None
    cdk: str | None
    vagrant: str | None
    providers: tuple[str, ...]
    """Providers of Vagrant with an installed program."""
    has_compose: bool
    cgroup: int | None
    has_ipvs: bool
    has_esp: bool
    """Whether the kernel encrypts IP packets (IPsec ESP), as encrypted overlay networks need."""
    port: int
    port_problem: str | None
    networks: tuple[str, ...]
    """Networks of this machine that overlap the cluster's CIDR, without the rehearsal's own."""
    cidr: str
    disk_gib: float
    memory_mib: int | None
    inotify_instances: int | None
    """Limit of inotify instances for one user (fs.inotify.max_user_instances)."""
    nodes: int
    """Maximum number of nodes in the description."""


def gather(env: Environment) -> Facts:
    """Collect the facts; change nothing."""
    return Facts(
        python=sys.version_info[:2],
        has_venv=find_spec("ensurepip") is not None,
        engine=host.engine_version(),
        can_install=host.can_install(),
        has_image=_has_image(),
        has_mmdebstrap=shutil.which("mmdebstrap") is not None,
        node=_first_line(str(host.BIN / "node"), "--version"),
        cdk=_cdk(),
        vagrant=_first_line("vagrant", "--version"),
        providers=tuple(
            name
            for name, program in {"virtualbox": "VBoxManage", "libvirt": "virsh", "docker": "docker"}.items()
            if shutil.which(program)
        ),
        has_compose=_first_line("docker", "compose", "version") is not None
        or bool(shutil.which("docker-compose")),
        cgroup=_cgroup(),
        has_ipvs=_has_module("ip_vs", Path("/proc/net/ip_vs")),
        has_esp=_has_module("esp4") or _has_symbol("esp4_"),
        **_port(env),
        networks=_overlapping(env),
        cidr=env.cluster.network.cidr,
        disk_gib=shutil.disk_usage(_docker_root()).free / GIB,
        memory_mib=_available_mib(),
        inotify_instances=_inotify_instances(),
        nodes=env.cluster.nodes,
    )


def judge(facts: Facts) -> tuple[Finding, ...]:
    """Judge the facts; findings are in the order in which an operator would fix them. Pure."""
    return (*_tools(facts), *_kernel(facts), *_resources(facts), *_optional_tools(facts))


def _tools(facts: Facts) -> Iterator[Finding]:
    version = ".".join(map(str, facts.python))
    yield _finding(
        "Python", facts.python >= PYTHON, version, "take Python 3.11 or newer: PYTHON=python3.12 make up"
    )
    yield _finding("venv", facts.has_venv, "there", "sudo apt-get install python3-venv")
    engine_advice = (
        "sudo apt-get install docker.io, or https://docs.docker.com/engine/install/; "
        "if it is installed: sudo systemctl start docker"
    )
    yield _finding(
        "Docker Engine", facts.engine is not None, facts.engine or "", engine_advice, facts.can_install
    )
    yield _finding(
        "node image",
        facts.has_image or facts.has_mmdebstrap,
        "made" if facts.has_image else "`make up` makes it with mmdebstrap",
        "sudo apt-get install mmdebstrap (Debian, Ubuntu), or `swarmer up --node-image IMAGE`",
        facts.can_install,
    )
    yield _finding(
        "Node", facts.node is not None, facts.node or "", "make setup: it comes with the virtualenv"
    )
    yield _finding("CDK", facts.cdk is not None, facts.cdk or "", "npm ci", installed_by_up=True)


def _kernel(facts: Facts) -> Iterator[Finding]:
    found = {2: "version 2", 1: "version 1: works, and is going out of use"}.get(facts.cgroup or 0, "")
    advice = "mount them: nodes run systemd (version 2: boot with systemd.unified_cgroup_hierarchy=1)"
    yield _finding("cgroups", facts.cgroup is not None, found, advice)
    yield _kernel_feature(
        "IPVS",
        facts.has_ipvs,
        "virtual IPs and the routing mesh work",
        "sudo modprobe ip_vs; without it services here need --endpoint-mode dnsrr and mode=host ports "
        "(`make test-vm` has a kernel that can)",
    )
    yield _kernel_feature(
        "IPsec ESP",
        facts.has_esp,
        "encrypted overlay networks work",
        "sudo modprobe esp4; without it overlay networks with `--opt encrypted` carry nothing between nodes",
    )


def _kernel_feature(name: str, is_there: bool, found: str, advice: str) -> Finding:
    """Finding about a part of the kernel that some clusters need."""
    if is_there:
        return Finding(name, State.OK, found)
    return Finding(name, State.OPTIONAL, "not in this kernel", advice)


def _resources(facts: Facts) -> Iterator[Finding]:
    port = f"{facts.port} is free, or the rehearsal's own"
    yield _finding("port of AWS", facts.port_problem is None, port, facts.port_problem or "")
    taken = ", ".join(facts.networks)
    advice = f"{taken} overlaps it: take another network.cidr in servers.yml, or remove that network"
    yield _finding("addresses", not facts.networks, f"{facts.cidr} is free, or the rehearsal's own", advice)
    yield _finding(
        "disk",
        facts.disk_gib >= DISK_GIB,
        f"{facts.disk_gib:.0f} GiB free",
        f"{facts.disk_gib:.1f} GiB free, {DISK_GIB} wanted: docker image prune, or another data-root",
    )
    yield from _per_node(
        "memory",
        facts.memory_mib,
        NODE_MIB,
        "MiB free",
        facts.nodes,
        "end something, or describe fewer nodes",
    )
    yield from _per_node(
        "inotify",
        facts.inotify_instances,
        INOTIFY_PER_NODE,
        "instances allowed",
        facts.nodes,
        "sudo sysctl fs.inotify.max_user_instances=8192",
    )


def _per_node(
    what: str, there: int | None, each: int, unit: str, nodes: int, advice: str
) -> Iterator[Finding]:
    """Compare the available amount with the need of all nodes and AWS on this machine together."""
    if there is None:
        return
    needed = (nodes + 1) * each
    text = f"{there} {unit}, about {needed} needed for {nodes} nodes"
    yield _finding(what, there >= needed, text, f"{text}: {advice}")


def _optional_tools(facts: Facts) -> Iterator[Finding]:
    if facts.vagrant:
        found = f"{facts.vagrant}; providers: {', '.join(facts.providers) or 'none'}"
        yield Finding("Vagrant", State.OK, found)
    else:
        yield Finding(
            "Vagrant",
            State.OPTIONAL,
            "only for `vagrant up`",
            "sudo apt-get install vagrant, or https://developer.hashicorp.com/vagrant/install",
        )
    if facts.has_compose:
        yield Finding("Compose", State.OK, "there")
    else:
        yield Finding(
            "Compose",
            State.OPTIONAL,
            "only for dns-proxy-compose.yml",
            "sudo apt-get install docker-compose, or Docker's compose plugin",
        )


def _finding(what: str, is_there: bool, found: str, advice: str, installed_by_up: bool = False) -> Finding:
    if is_there:
        return Finding(what, State.OK, found)
    if installed_by_up:
        return Finding(what, State.INSTALLED_BY_UP, "not there yet")
    return Finding(what, State.MISSING, "", advice)


# -- gather ---------------------------------------------------------------------------------------------


def _first_line(*argv: str) -> str | None:
    """First line of a program's output; None if it is missing or fails."""
    try:
        text = process.run(list(argv), timeout_s=20)
    except process.Failed:
        return None
    return text.strip().splitlines()[0] if text.strip() else ""


def _has_image() -> bool:
    try:
        return node_image.exists(node_image.tag())
    except (process.Failed, OSError):
        return False


def _cdk() -> str | None:
    path = environment.ROOT / "node_modules/aws-cdk/package.json"
    return f"{json.loads(path.read_text())['version']}" if path.exists() else None


def _cgroup() -> int | None:
    if Path("/sys/fs/cgroup/cgroup.controllers").exists():
        return 2
    return 1 if Path("/sys/fs/cgroup/devices").exists() or Path("/sys/fs/cgroup/systemd").exists() else None


def _has_module(name: str, trace: Path | None = None) -> bool:
    """Whether the kernel has the module, built in or loadable. `trace`: a file that the module makes."""
    if trace and trace.exists():
        return True
    release = Path("/lib/modules") / os.uname().release
    lists = [release / each for each in ("modules.builtin", "modules.dep")]
    return any(f"/{name}.ko" in path.read_text(errors="replace") for path in lists if path.exists())


def _has_symbol(prefix: str) -> bool:
    """Whether a symbol of the running kernel begins with `prefix`, for kernels without a list of modules."""
    path = Path("/proc/kallsyms")
    return path.exists() and f" {prefix}" in path.read_text(errors="replace")


def _port(env: Environment) -> dict[str, Any]:
    try:
        return {"port": aws_daemon.with_free_port(env).aws_port, "port_problem": None}
    except UserError as exc:
        return {"port": env.aws_port, "port_problem": str(exc)}


def _overlapping(env: Environment) -> tuple[str, ...]:
    """Routes into the cluster's addresses that are not the rehearsal's own network."""
    own = IPv4Network(env.cluster.network.cidr)
    try:
        if node_containers.addresses(env) or engine.docker(
            "network", "ls", "-q", "--filter", f"name=^{env.network}$"
        ):
            return ()
        routes = subprocess.run(["ip", "-4", "route"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError, process.Failed):
        return ()
    found = re.findall(r"^([0-9.]+/[0-9]+) .*?dev (\S+)", routes, re.MULTILINE)
    return tuple(f"{text} ({device})" for text, device in found if IPv4Network(text).overlaps(own))


def _docker_root() -> Path:
    try:
        root = Path(engine.docker("info", "-f", "{{.DockerRootDir}}", timeout_s=20))
    except process.Failed:
        return environment.ROOT
    return root if root.exists() else environment.ROOT


def _available_mib() -> int | None:
    """Available memory in MiB from Linux; None on other systems, because they run containers in a VM."""
    path = Path("/proc/meminfo")
    found = re.search(r"^MemAvailable:\s+(\d+) kB", path.read_text(), re.MULTILINE) if path.exists() else None
    return int(found[1]) // 1024 if found else None


def _inotify_instances() -> int | None:
    path = Path("/proc/sys/fs/inotify/max_user_instances")
    return int(path.read_text()) if path.exists() else None
