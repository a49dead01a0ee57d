"""Files of the node software and of each Lambda function, and their digest: the same on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
TREES: Final = ("node", "swarmer/core", "swarmer/adapters")
"""Folders whose files are the node software, except NOT_ON_NODES."""
REQUIREMENTS: Final = ROOT / "node/requirements.txt"
"""Path of the nodes' requirements."""
CONSTRAINTS: Final = ROOT / "constraints.txt"
"""Path of the file with the versions of all required packages."""
PYTHON: Final = "3.13"
"""Version of the nodes' Python, Debian 13's."""
CACHE: Final = ROOT / ".swarmer/cache"
"""Folder of files that are fetched or built once for a checkout."""
FILES: Final = ("swarmer/__init__.py",)
"""Files of the node software outside TREES."""
NOT_ON_NODES: Final = (
    "swarmer/adapters/account.py",
    "swarmer/adapters/auto_scaling.py",
    "swarmer/adapters/instances.py",
    "swarmer/adapters/log_groups.py",
    "swarmer/adapters/operator.py",
    "swarmer/adapters/pip.py",
    "swarmer/adapters/queue.py",
    "swarmer/adapters/run_command.py",
    "swarmer/adapters/session.py",
    "swarmer/adapters/stacks.py",
    "swarmer/adapters/volume.py",
    "swarmer/core/account_rules.py",
    "swarmer/core/account.py",
    "swarmer/core/alarms.py",
    "swarmer/core/cluster.py",
    "swarmer/core/cluster_events.py",
    "swarmer/core/constants.py",
    "swarmer/core/deployment.py",
    "swarmer/core/description.py",
    "swarmer/core/diagram.py",
    "swarmer/core/errors.py",
    "swarmer/core/existing_vpc.py",
    "swarmer/core/facts.py",
    "swarmer/core/finding.py",
    "swarmer/core/fixed.py",
    "swarmer/core/generated.py",
    "swarmer/core/healing",
    "swarmer/core/health.py",
    "swarmer/core/instance_types.py",
    "swarmer/core/machines.py",
    "swarmer/core/merged_reports.py",
    "swarmer/core/naming_rules.py",
    "swarmer/core/quotas.py",
    "swarmer/core/reference.py",
    "swarmer/core/reference_limits.py",
    "swarmer/core/reference_names.py",
    "swarmer/core/sections.py",
    "swarmer/core/selection.py",
    "swarmer/core/software.py",
    "swarmer/core/stack_progress.py",
    "swarmer/core/survivors.py",
    "swarmer/core/user_data.py",
)
"""Files and folders within TREES that no node program imports; tests/core/test_software.py computes them.

A change of these files does not change the digest, so no group gets a new launch template.
"""
FUNCTIONS: Final = ("register_node", "deregister_node", "heal_registry", "reconcile_cluster")
"""Names of the Lambda functions; each is a folder below lambdas/."""
OF_FUNCTIONS: Final = (
    "lambdas/__init__.py",
    "lambdas/shared",
    "swarmer/__init__.py",
    "swarmer/adapters/__init__.py",
    "swarmer/adapters/auto_scaling.py",
    "swarmer/adapters/aws.py",
    "swarmer/adapters/consul.py",
    "swarmer/adapters/consul_json.py",
    "swarmer/adapters/docker.py",
    "swarmer/adapters/docker_json.py",
    "swarmer/adapters/engine.py",
    "swarmer/adapters/http.py",
    "swarmer/adapters/instances.py",
    "swarmer/adapters/queue.py",
    "swarmer/core/__init__.py",
    "swarmer/core/election.py",
    "swarmer/core/healing",
    "swarmer/core/names.py",
    "swarmer/core/network_plan.py",
    "swarmer/core/node.py",
    "swarmer/core/service.py",
    "swarmer/core/state.py",
    "swarmer/core/validation.py",
)
"""Files and folders of every function's asset, besides the function's own folder."""


def files(root: Path = ROOT) -> Iterator[Path]:
    """Every file of the node software, relative to `root`, sorted."""
    found = [Path(name) for name in FILES]
    for tree in TREES:
        found += [path.relative_to(root) for path in (root / tree).rglob("*") if path.is_file()]
    return iter(sorted(path for path in found if not _is_excluded(path)))


def function_files(function: str, root: Path = ROOT) -> Iterator[Path]:
    """Every file of one function's asset, relative to `root`, sorted."""
    found: list[Path] = []
    for name in (*OF_FUNCTIONS, f"lambdas/{function}"):
        within = (root / name).rglob("*") if (root / name).is_dir() else [root / name]
        found += [path.relative_to(root) for path in within if path.is_file()]
    return iter(sorted(path for path in found if not _is_compiled(path)))


def digest(root: Path = ROOT) -> str:
    """Digest of the node software; see `digest_of`."""
    return digest_of(files(root), root)


def digest_of(paths: Iterable[Path], root: Path = ROOT) -> str:
    """SHA-256 (hexadecimal) of names, modes and contents; independent of modification times and of `root`."""
    whole = hashlib.sha256()
    for path in paths:
        content = (root / path).read_bytes()
        executable = (root / path).stat().st_mode & 0o100
        whole.update(f"{path.as_posix()}\0{bool(executable)}\0{len(content)}\0".encode())
        whole.update(content)
    return whole.hexdigest()


def _is_excluded(path: Path) -> bool:
    return any(path.is_relative_to(name) for name in NOT_ON_NODES) or _is_compiled(path)


def _is_compiled(path: Path) -> bool:
    return any(part == "__pycache__" for part in path.parts) or path.suffix == ".pyc"
