"""The registry of Debian 13 with the configuration of a node, in every region of AWS."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import botocore.session
import pytest

from swarmer.core import configuration
from swarmer.local import engine as command_line
from swarmer.local import environment, host, node_image
from tests.node.daemons.daemon import machine

AWS = botocore.session.get_session()
REGIONS: dict[str, str] = {
    region: AWS._get_internal_component("endpoint_resolver").get_partition_dns_suffix(partition)
    for partition in AWS.get_available_partitions()
    for region in AWS.get_available_regions("s3", partition)
}
"""Domain of every region with S3 that botocore knows."""
SERVE = """
mkdir /tmp/regions && cd /tmp/regions && tar -x
for file in *.json; do
  docker-registry serve $file > /dev/null 2>&1 & echo $! > ${file%.json}.pid
done
starts() { [ ! -S $1.sock ] && kill -0 $(cat $1.pid) 2>/dev/null; }
for _ in $(seq 600); do
  waiting=
  for file in *.pid; do starts ${file%.pid} && waiting=yes; done
  [ "$waiting" ] || break
  sleep 0.1
done
ls *.sock 2>/dev/null
"""
"""Script that prints REGION.sock for each registry that has started."""
Configure = Callable[[str, str], dict[str, Any]]


def of_node(region: str, suffix: str) -> dict[str, Any]:
    """Configuration of the registry on a node; the stack gives it the endpoint."""
    here = machine("10.42.0.4")
    storage = replace(here.node.storage, region=region, endpoint=f"https://s3.{region}.{suffix}")
    found: dict[str, Any] = json.loads(
        configuration.registry(replace(here, node=replace(here.node, storage=storage)))
    )
    found["http"]["addr"] = f"/tmp/regions/{region}.sock"
    return found


def without_endpoint(region: str, suffix: str) -> dict[str, Any]:
    found = of_node(region, suffix)
    del found["storage"]["s3"]["regionendpoint"]
    return found


@pytest.fixture(scope="module")
def image() -> str:
    """Image of the nodes, with their docker-registry."""
    host.ensure_engine()
    host.ensure_packages(("mmdebstrap", "mmdebstrap"))
    return node_image.ensure_image(environment.CACHE, lambda _: None)


def started(image: str, configure: Configure) -> set[str]:
    """Regions whose registry has started, with `configure` for each."""
    with io.BytesIO() as held:
        with tarfile.open(fileobj=held, mode="w") as archive:
            for region, suffix in REGIONS.items():
                content = json.dumps(configure(region, suffix)).encode()
                entry = tarfile.TarInfo(f"{region}.json")
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        files = held.getvalue()
    command = ["docker", "run", "--rm", "-i", "--network", "none", "--entrypoint", "sh", image, "-c", SERVE]
    environment_of_docker = command_line.docker_environment()
    done = subprocess.run(
        command, input=files, env=environment_of_docker, capture_output=True, check=False, timeout=120
    )
    return {line.removesuffix(".sock") for line in done.stdout.decode().split()}


def test_the_registry_starts_in_every_region_that_botocore_knows(image: str) -> None:
    assert {"us-east-1", "cn-north-1", "us-gov-west-1", "mx-central-1"} <= REGIONS.keys()
    assert started(image, of_node) == set(REGIONS)


def test_without_an_endpoint_it_knows_no_younger_region(image: str) -> None:
    found = started(image, without_endpoint)
    assert "us-east-1" in found
    assert "mx-central-1" not in found


def test_the_endpoint_is_the_one_that_botocore_takes() -> None:
    for region, suffix in REGIONS.items():
        client = AWS.create_client("s3", region_name=region, aws_access_key_id="a", aws_secret_access_key="b")
        expected = of_node(region, suffix)["storage"]["s3"]["regionendpoint"]
        # botocore's name for us-east-1 is the older one without a region.
        assert client.meta.endpoint_url.replace("s3.amazonaws.com", "s3.us-east-1.amazonaws.com") == expected
