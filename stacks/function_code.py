"""Code of the functions: an asset for each function, and one layer with their imports. Docker is not
needed."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from swarmer.adapters import pip
from swarmer.core import software

REQUIREMENTS: Final = software.ROOT / "lambdas/requirements.txt"
"""Path of the layer's pinned requirements."""
CACHE: Final = software.ROOT / ".swarmer/layer"
"""Folder that keeps finished layers."""
PYTHON: Final = "3.13"
"""Python version of the functions."""
EXCLUDED: Final = ("bin", "*-stubs", "*requirements.txt", "*.dist-info/RECORD", "*.dist-info/direct_url.json")
"""Patterns of pip's files that the layer does not need: scripts, types, and records with paths."""


def stage(function: str, target: Path) -> str:
    """Copy the function's folder and the parts of `swarmer` that it uses; return their digest."""
    paths = list(software.function_files(function))
    for path in paths:
        copy = target / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(software.ROOT / path, copy)
    return software.digest_of(paths)


class FunctionCode:
    """Context manager that stages a function's asset until it is copied into cdk.out."""

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
    """Create the layer with everything in lambdas/requirements.txt."""
    return lambda_.LayerVersion(
        scope,
        construct_id,
        code=lambda_.Code.from_asset(
            str(ensure_layer()),
            asset_hash=layer_digest(),
            asset_hash_type=cdk.AssetHashType.CUSTOM,
            # An import from the cache writes these files into it.
            exclude=["__pycache__", "*.pyc"],
        ),
        compatible_runtimes=[lambda_.Runtime.PYTHON_3_13],
        compatible_architectures=[lambda_.Architecture.ARM_64],
        description="Packages that the functions import in addition to those of the runtime",
    )


def layer_digest() -> str:
    """Return the layer's digest. Versions are pinned and pip resolves nothing, so the list defines the
    content."""
    made = (REQUIREMENTS.read_bytes(), PYTHON.encode(), repr(EXCLUDED).encode())
    return hashlib.sha256(b"\0".join(made)).hexdigest()


def ensure_layer() -> Path:
    """Return the layer's folder, made once for each list. Raises process.Failed if pip cannot fetch a
    package."""
    folder = CACHE / layer_digest()[:16]
    if folder.exists():
        return folder
    CACHE.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=CACHE) as staged:
        target = Path(staged) / "layer"
        pip.install(REQUIREMENTS, target / "python", python=PYTHON)
        for pattern in EXCLUDED:
            for path in (target / "python").glob(pattern):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        try:
            target.rename(folder)
        except OSError:
            # Another process was faster, and its folder has the same content.
            if not folder.exists():
                raise
    return folder
