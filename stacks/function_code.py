"""The functions' code: an asset for each, and one layer with what they import; made without Docker."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from swarmer.adapters import process
from swarmer.core import software

REQUIREMENTS: Final = software.ROOT / "lambdas/requirements.txt"
CACHE: Final = software.ROOT / ".swarmer/layer"
PYTHON: Final = "3.13"
PIP_TIMEOUT_S: Final = 300
USELESS: Final = ("bin", "*-stubs", "*requirements.txt", "*.dist-info/RECORD", "*.dist-info/direct_url.json")
"""Of what pip writes: scripts, types, and notes that hold paths."""


def stage(function: str, target: Path) -> str:
    """Copy the function's folder and the parts of `swarmer` that it uses; returns their digest."""
    paths = list(software.function_files(function))
    for path in paths:
        copy = target / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(software.ROOT / path, copy)
    return software.digest_of(paths)


class FunctionCode:
    """Stages a function's asset for as long as it takes to copy it into cdk.out: a context manager."""

    def __init__(self, function: str) -> None:
        self._function = function
        self._folder = TemporaryDirectory()

    def __enter__(self) -> lambda_.Code:
        folder = Path(self._folder.name)
        digest = stage(self._function, folder)
        return lambda_.Code.from_asset(
            str(folder), asset_hash=digest, asset_hash_type=cdk.AssetHashType.CUSTOM
        )

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()


def layer(scope: Construct, construct_id: str) -> lambda_.LayerVersion:
    """Everything in lambdas/requirements.txt."""
    return lambda_.LayerVersion(
        scope,
        construct_id,
        code=lambda_.Code.from_asset(
            str(ensure_layer()),
            asset_hash=layer_digest(),
            asset_hash_type=cdk.AssetHashType.CUSTOM,
            # Whoever imports from the cache leaves something there.
            exclude=["__pycache__", "*.pyc"],
        ),
        compatible_runtimes=[lambda_.Runtime.PYTHON_3_13],
        compatible_architectures=[lambda_.Architecture.ARM_64],
        description="What the functions import beside what the runtime brings",
    )


def layer_digest() -> str:
    """Every version is pinned and pip resolves nothing: the list is the content."""
    made = (REQUIREMENTS.read_bytes(), PYTHON.encode(), repr(USELESS).encode())
    return hashlib.sha256(b"\0".join(made)).hexdigest()


def ensure_layer() -> Path:
    """The layer's folder, made once for each list. Raises process.Failed where pip cannot fetch it.

    Pure wheels only (`--platform any`): the layer is the same for every processor, and holds nothing that
    somebody compiled.
    """
    folder = CACHE / layer_digest()[:16]
    if folder.exists():
        return folder
    CACHE.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=CACHE) as staged:
        target = Path(staged) / "layer"
        process.run(_pip(target / "python"), timeout_s=PIP_TIMEOUT_S)
        for pattern in USELESS:
            for path in (target / "python").glob(pattern):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        try:
            target.rename(folder)
        except OSError:
            # Another process was quicker: what it made is the same.
            if not folder.exists():
                raise
    return folder


def _pip(target: Path) -> list[str]:
    return [
        sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input",
        "--no-deps", "--no-compile", "--only-binary=:all:", "--platform=any", "--abi=none",
        "--implementation=py", f"--python-version={PYTHON}", f"--target={target}",
        f"--requirement={REQUIREMENTS}",
    ]  # fmt: skip
