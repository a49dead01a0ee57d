"""Image of a node container, made with Debian packages and node/install.sh, and cached by its content."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from swarmer.adapters import files, pip, process
from swarmer.core import software
from swarmer.local import consul_binary, debian_pool, node_engine
from swarmer.local.debian import NO_SECURITY, mirror, security_source, sources
from swarmer.local.debian_pool import PinnedPackage
from swarmer.local.engine import docker

SUITE: Final = "trixie"
BASE_FILES: Final = (
    "node/install.sh",
    "node/needrestart.conf",
    "node/packages.txt",
    "node/requirements.txt",
    "swarmer/__init__.py",
)
"""Files, beside the units, that node/install.sh needs for the part of the image that changes seldom."""
EXTRA_PACKAGES: Final = ("cloud-init", "nftables", "systemd", "systemd-sysv")
"""Packages that only a node container needs. nftables enforces the security groups."""
HERE: Final = Path(__file__).parent / "image"
AGENT: Final = Path(__file__).with_name("run_command_agent.py")
"""Program of the image in place of amazon-ssm-agent."""
AGENT_FOLDER: Final = "usr/lib/swarmer"
"""Folder of the agent in the image."""
PROBE_IMAGE: Final = "swarmer/probe"
"""Name of a tiny image that needs no registry. Operators can push it, and tests use it."""
LABEL: Final = "swarmer.image=node"
MIN_REMOVAL_AGE: Final = timedelta(hours=1)

Progress = Callable[[str], None]


def base_tag() -> str:
    """Tag `swarmer/node-base:HASH`; the hash covers the sources of the root file system. Raises UserError."""
    return _base_tag(node_engine.packages())


def _base_tag(engine: Sequence[PinnedPackage]) -> str:
    """Tag of the root file system with the Docker Engine of these packages; if none, the suite's own."""
    parts = [SUITE, *EXTRA_PACKAGES, (software.ROOT / "node/packages.txt").read_text()]
    if security_source(SUITE):
        parts.append("security")
    wanted = "\n".join((*parts, *(package.sha256 for package in engine)))
    return f"swarmer/node-base:{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"


def tag() -> str:
    """Tag `swarmer/node:HASH`; the hash covers base, node software, Consul and the container's files."""
    consul = consul_binary.chosen().sha256
    whole = hashlib.sha256(f"{base_tag()} {software.digest()} {consul}".encode())
    for path in [*sorted(path for path in HERE.rglob("*") if path.is_file()), AGENT]:
        whole.update(path.relative_to(HERE.parent).as_posix().encode() + b"\0" + path.read_bytes())
    return f"swarmer/node:{whole.hexdigest()[:12]}"


def ensure_image(cache: Path, progress: Progress) -> str:
    """Build the node image unless it exists, and return its tag. Raises process.Failed."""
    with files.alone(cache / "image.lock"):
        return _ensure_image(cache, progress)


def _ensure_image(cache: Path, progress: Progress) -> str:
    wanted = tag()
    if exists(wanted):
        return wanted
    consul, wheels = ensure_consul(cache, progress), ensure_wheels(progress)
    _ensure_base(cache, progress)  # it takes minutes, so a failed download is reported before
    progress("builds the node image")
    with tempfile.TemporaryDirectory(dir=cache) as held:
        context = Path(held)
        _fill_context(context, consul, wheels)
        docker(
            *("build", "-q", "-t", wanted, "--network", "none", "--label", LABEL),
            *("--build-arg", f"BASE={base_tag()}", "--build-arg", f"DIGEST={software.digest()}"),
            str(context),
            timeout_s=600,
        )
    _ensure_probe(wanted)
    _remove_older(wanted)
    return wanted


def exists(image: str) -> bool:
    """Whether this machine's engine has the image."""
    try:
        docker("image", "inspect", "-f", "{{.Id}}", image)
    except process.Failed:
        return False
    return True


def _ensure_probe(image: str) -> None:
    """Ensure this machine's own copy of the probe image of every node."""
    held = docker("create", image)
    try:
        with tempfile.TemporaryDirectory() as folder:
            docker("cp", f"{held}:/opt/swarmer/probe.tar", f"{folder}/probe.tar")
            docker("import", "-c", 'CMD ["/bin/sh"]', f"{folder}/probe.tar", PROBE_IMAGE)
    finally:
        docker("rm", "-v", held)


def _remove_older(newest: str) -> None:
    """Remove images of earlier software versions without containers."""
    listed = docker(
        "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", f"label={LABEL}"
    ).split()
    for image in listed:
        if not image.startswith("swarmer/node:") or image == newest:
            continue
        with contextlib.suppress(process.Failed):
            if is_outdated(docker("image", "inspect", "-f", "{{.Created}}", image), datetime.now(UTC)):
                docker("image", "rm", image)


def is_outdated(created: str, now: datetime) -> bool:
    """Whether the image is older than MIN_REMOVAL_AGE. Another checkout may need a younger image."""
    # The first 19 characters end at the seconds and leave out Docker's nanoseconds.
    return now - datetime.fromisoformat(f"{created[:19]}+00:00") > MIN_REMOVAL_AGE


def _ensure_base(cache: Path, progress: Progress) -> None:
    if exists(base_tag()):
        return
    _ensure_plain_base(cache, progress)
    if engine := node_engine.packages():
        _build_base(engine, cache, progress)


def _build_base(engine: Sequence[PinnedPackage], cache: Path, progress: Progress) -> None:
    """Build the root file system with another engine. Raises process.Failed."""
    progress(f"fetches Docker Engine {node_engine.release()}")
    found = debian_pool.ensure_packages(engine, cache / "packages", mirror())
    progress(f"installs Docker Engine {node_engine.release()}")
    with tempfile.TemporaryDirectory(dir=cache) as held:
        context = Path(held)
        shutil.copy(HERE / "Dockerfile.engine", context / "Dockerfile")
        (context / "packages").mkdir()
        for package in found:
            shutil.copy(package, context / "packages")
        plain, wanted = _base_tag(()), _base_tag(engine)
        docker(
            *("build", "-q", "-t", wanted, "--network", "none", "--build-arg", f"BASE={plain}", held),
            timeout_s=600,
        )


def _ensure_plain_base(cache: Path, progress: Progress) -> None:
    plain = _base_tag(())
    if exists(plain):
        return
    progress(f"makes the root file system: Debian {SUITE}, systemd, cloud-init, Docker")
    if not security_source(SUITE):
        progress(NO_SECURITY)
    names = [*EXTRA_PACKAGES, *(software.ROOT / "node/packages.txt").read_text().split()]
    archive = cache / "base.tar"
    process.run(
        ["mmdebstrap", "-q", "--variant=minbase", f"--include={','.join(names)}", SUITE, str(archive), "-"],
        stdin=sources(SUITE).encode(),
        timeout_s=900,
    )
    docker("import", str(archive), plain, timeout_s=300)
    archive.unlink()


def ensure_consul(cache: Path, progress: Progress) -> Path:
    """Return the program of the chosen Consul. Raises process.Failed, UserError."""
    return consul_binary.ensure(cache, progress, mirror())


def ensure_wheels(progress: Progress) -> Path:
    """Fetch the node's Python packages. Raises process.Failed."""
    return pip.ensure_node_wheels(lambda: progress("fetches the node's Python packages"))


def copy_software(folder: Path) -> None:
    """Copy the tree of an asset."""
    for path in software.files():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(software.ROOT / path, target)


def _fill_context(context: Path, consul: Path, wheels: Path) -> None:
    """Fill the build context: base/ changes seldom; software/ is the tree of an asset."""
    shutil.copy(HERE / "Dockerfile", context)
    shutil.copytree(HERE / "container", context / "container")
    (context / "container" / AGENT_FOLDER).mkdir(parents=True)
    shutil.copy(AGENT, context / "container" / AGENT_FOLDER)
    shutil.copytree(wheels, context / "base/wheels")
    shutil.copy(consul, context / "base/consul")
    copy_software(context / "software")
    for name in BASE_FILES:
        target = context / "base" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(software.ROOT / name, target)
    shutil.copytree(software.ROOT / "node/systemd", context / "base/node/systemd")
