"""The import of moto with the settings that a cluster needs, and without its slow and large parts.

`load` must run before any other module of this package imports moto.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any, Final

ACCOUNT: Final = "123456789012"
"""ID of the account in which moto keeps everything."""
OFFERINGS: Final = "instance_type_offerings"
"""Folder of moto's data with the instance types of each region and zone."""
PRELOADED: Final = ("cloudformation", "ec2", "iam", "s3", "ssm", "sts")
"""Services that the first `cdk bootstrap` and `cdk deploy` call. moto imports the others on demand."""


def load() -> None:
    """Import moto. Safe to repeat, and safe after another import of moto."""
    if "moto.ec2.models" not in sys.modules:
        _import_instance_types_lazily()
    _name_buckets_by_path()
    _load_no_example_images()
    for service in PRELOADED:
        importlib.import_module(f"moto.{service}.responses")


def _name_buckets_by_path() -> None:
    """AWS accepts path-style requests at any endpoint; bare moto reads 10.42.0.1 as a bucket named 10."""
    settings = importlib.import_module("moto.settings")
    settings.S3_IGNORE_SUBDOMAIN_BUCKETNAME = True  # type: ignore[attr-defined]
    # moto copies the setting at import time, so an environment variable would come too late in a test.
    importlib.import_module("moto.s3.utils").S3_IGNORE_SUBDOMAIN_BUCKETNAME = True  # type: ignore[attr-defined]


def _load_no_example_images() -> None:
    """Load none of the example AMIs, because no cluster boots one. moto builds 1,300 of them per region and
    reset, in 0.2 s."""
    settings = importlib.import_module("moto.settings")
    settings.ec2_load_default_amis = lambda: False  # type: ignore[attr-defined]


def _import_instance_types_lazily() -> None:
    """Delay the import of instance type offerings (130 MB, 0.6 s), because a deployment needs none."""
    utils: Any = importlib.import_module("moto.utilities.utils")
    real = utils.load_resource
    utils.load_resource = lambda path: [] if OFFERINGS in path else real(path)
    try:
        types: Any = importlib.import_module("moto.ec2.models.instance_types")
    finally:
        utils.load_resource = real
    for location_type in types.INSTANCE_TYPE_OFFERINGS:
        types.INSTANCE_TYPE_OFFERINGS[location_type] = Offerings(location_type, real)


class Offerings(dict[str, Any]):
    """Instance types by region, each read on first access."""

    def __init__(self, location_type: str, load_resource: Any) -> None:
        super().__init__()
        self._location_type = location_type
        self._load_resource = load_resource

    def __missing__(self, region: str) -> Any:
        found = self._load_resource(f"ec2/resources/{OFFERINGS}/{self._location_type}/{region}.json")
        self[region] = [offer | {"LocationType": self._location_type} for offer in found]
        return self[region]

    def get(self, region: str, default: Any = None) -> Any:
        try:
            return self[region]
        except FileNotFoundError:
            return default
