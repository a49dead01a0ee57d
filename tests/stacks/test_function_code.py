"""The functions' stack: what the functions' assets and their layer hold, and that no more is needed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from stacks import function_code
from swarmer.core import software
from tests.stacks.assembly import Assembly, Resource
from tests.stacks.functions import each_function, the_function

MEGABYTE = 1024 * 1024


def asset_of(assembly: Assembly, code: Resource) -> Path:
    return assembly.directory / f"asset.{code['S3Key'].removesuffix('.zip')}"


@each_function
def test_the_asset_is_the_functions_folder_and_what_it_uses(shipped: Assembly, function: str) -> None:
    asset = asset_of(shipped, the_function(shipped, function)["Code"])
    found = sorted(path.relative_to(asset) for path in asset.rglob("*") if path.is_file())
    assert found == list(software.function_files(function))
    folders = {path.parts[1] for path in found if path.parts[0] == "lambdas" and len(path.parts) > 2}
    assert folders == {"shared", function}
    assert software.digest_of(found, asset) == software.digest_of(found)


RUNTIMES_OWN = ("boto3", "botocore", "s3transfer", "dateutil", "six", "jmespath")


def test_the_layer_holds_nothing_that_somebody_compiled(shipped: Assembly) -> None:
    (layer,) = shipped.of_type("AWS::Lambda::LayerVersion").values()
    files = [path for path in asset_of(shipped, layer["Content"]).rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix in (".so", ".pyc", ".pyd", ".dylib")]
    top = {path.name for path in (asset_of(shipped, layer["Content"]) / "python").iterdir()}
    assert not top & set(RUNTIMES_OWN)
    assert sum(path.stat().st_size for path in files) < 15 * MEGABYTE


def test_the_layer_is_the_same_every_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = function_code.ensure_layer()
    monkeypatch.setattr(function_code, "CACHE", tmp_path)
    again = function_code.ensure_layer()
    paths = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert software.digest_of(paths, first) == software.digest_of(paths, again)
    assert paths == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())


@each_function
def test_a_function_imports_from_its_asset_and_its_layer_alone(shipped: Assembly, function: str) -> None:
    """The process sees neither this checkout nor the packages installed here, only those of the runtime."""
    asset = asset_of(shipped, the_function(shipped, function)["Code"])
    layer = function_code.ensure_layer() / "python"
    program = f"""
import sys, time
kept = [path for path in sys.path if "site-packages" not in path]
site = [path for path in sys.path if "site-packages" in path]
sys.path[:] = [{str(asset)!r}, {str(layer)!r}, *kept]
import importlib.util, importlib.machinery
class OnlyBoto:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {RUNTIMES_OWN}:
            return importlib.machinery.PathFinder.find_spec(name, path or site, target)
sys.meta_path.append(OnlyBoto())
began = time.process_time()
from lambdas.{function} import handler
print(time.process_time() - began, callable(handler.handler), handler.__file__)
assert "moto" not in sys.modules and "pydantic" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-I", "-B", "-c", program], capture_output=True, text=True, check=False, cwd="/"
    )
    assert done.returncode == 0, done.stderr
    seconds, is_callable, place = done.stdout.split()
    assert is_callable == "True"
    assert place.startswith(str(asset))
    # Half a second by the clock of a function's processor; here others may be at work, so processor time.
    assert float(seconds) < 1.5


ALONE = """
import importlib, sys
sys.path[:0] = sys.argv[2:]
importlib.import_module(f"lambdas.{sys.argv[1]}.handler")
"""


@each_function
def test_asset_layer_and_runtime_are_all_that_a_function_needs(
    shipped: Assembly, function: str, tmp_path: Path
) -> None:
    for name in RUNTIMES_OWN:
        found = importlib.util.find_spec(name)
        assert found
        assert found.origin
        origin = Path(found.origin)
        own = origin.parent if origin.name == "__init__.py" else origin
        (tmp_path / own.name).symlink_to(own)
    (layer,) = shipped.of_type("AWS::Lambda::LayerVersion").values()
    asset = asset_of(shipped, the_function(shipped, function)["Code"])
    paths = (asset, asset_of(shipped, layer["Content"]) / "python", tmp_path)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", ALONE, function, *map(str, paths)],
        env={"AWS_DEFAULT_REGION": "us-east-1", "POWERTOOLS_SERVICE_NAME": "test"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
