"""Parts of each example, checked without a cluster: this is part of `make test`."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from swarmer.core import description
from swarmer.core.cluster import Cluster
from tests.examples.base import packages
from tests.examples.conftest import SERVERS
from tests.examples.page import EXAMPLES, blocks

NAMES = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())
REGISTRY = "registry.service.swarmer:5000/"

each_example = pytest.mark.parametrize("example", NAMES)


def stack(example: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((EXAMPLES / example / "stack.yml").read_text())
    return found


def text(example: str) -> str:
    return (EXAMPLES / example / "README.md").read_text()


@each_example
def test_an_example_has_a_stack_file_a_page_an_image_and_a_test(example: str) -> None:
    for name in ("stack.yml", "README.md", "Dockerfile"):
        assert (EXAMPLES / example / name).is_file()
    assert (Path(__file__).parent / f"test_{example.replace('-', '_')}.py").is_file()


@each_example
def test_an_example_stands_in_the_list(example: str) -> None:
    assert f"| [{example}]({example}/README.md) | " in (EXAMPLES / "README.md").read_text()


@each_example
def test_a_page_builds_pushes_deploys_and_removes_its_stack(example: str) -> None:
    page = text(example)
    typed = "\n".join(block for each in blocks(EXAMPLES / example / "README.md").values() for block in each)
    assert page.startswith("# ")
    for image in {each["image"] for each in stack(example)["services"].values()}:
        repository = re.sub(r":\$\{.*\}$", "", image)
        assert repository.startswith(REGISTRY)
        assert re.search(rf"docker build .*-t {repository}\S* examples/{example}$", typed, re.MULTILINE)
        assert f"docker push -q {repository}" in typed
    assert f"docker stack deploy -c examples/{example}/stack.yml " in typed
    assert "docker stack rm " in typed


@each_example
def test_commands_of_a_page_are_words_that_a_shell_understands(example: str) -> None:
    for each in blocks(EXAMPLES / example / "README.md").values():
        for block in each:
            done = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, check=False)
            assert done.stderr == ""


@each_example
def test_links_of_a_page_lead_somewhere(example: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)[^)]*\)", text(example)):
        assert (EXAMPLES / example / target).exists(), target


@each_example
def test_an_image_starts_from_a_base_that_can_be_exchanged(example: str) -> None:
    dockerfile = EXAMPLES / example / "Dockerfile"
    assert "ARG BASE=debian:trixie-slim\nFROM ${BASE}" in dockerfile.read_text()
    assert packages(dockerfile)


@each_example
def test_traffic_needs_no_routing_mesh_where_a_port_is_published(example: str) -> None:
    for service in stack(example)["services"].values():
        assert service["deploy"]["endpoint_mode"] == "dnsrr"
        assert all(port["mode"] == "host" for port in service.get("ports", ()))


def test_published_ports_are_free_of_each_other_and_open_to_others(tmp_path: Path) -> None:
    (tmp_path / "servers.yml").write_text(SERVERS)
    cluster: Cluster = description.load(tmp_path / "servers.yml")
    low, high = (int(port) for port in cluster.network.service_ports.split("-"))
    published = [
        port["published"]
        for example in NAMES
        for service in stack(example)["services"].values()
        for port in service.get("ports", ())
        if "published" in port
    ]
    assert len(published) == len(set(published))
    assert all(low <= port <= high for port in published)
