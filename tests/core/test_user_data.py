"""User-data, software digest, and names that two places must share."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from swarmer.core import names, naming_rules, software, user_data
from swarmer.core.naming_rules import LONGEST_CLUSTER_NAME, LONGEST_DOMAIN, LONGEST_GROUP_NAME
from swarmer.core.node import CONSUL_SERVER, SWARM_MANAGER, SWARM_WORKER, NodeDescription, Storage
from swarmer.core.registration.options import LARGEST, LONGEST_TEMPLATE, LONGEST_TEXT, RULES
from swarmer.core.sections import Registrator
from swarmer.core.user_data import LIMIT_BYTES, Software
from swarmer.core.validation import InvalidValue

ASTRAL = "\U0001d11e"
"""Nothing takes more in JSON: 12 characters."""
LONGEST_REGISTRATOR: dict[str, Any] = {
    "internal": True,
    "network": ASTRAL * (LONGEST_TEXT // 12),
    "explicit": True,
    "tags": ASTRAL * (LONGEST_TEMPLATE // 12),
    "deregister": "on-success",
    "use_ip_from_label": ASTRAL * (LONGEST_TEXT // 12),
    "script_checks": True,
    "ip": "2001:0db8:1111:2222:3333:4444:5555:6666",
    "resync": LARGEST,
    "cleanup": True,
    "ttl": LARGEST,
    "ttl_refresh": LARGEST - 1,
    "retry_attempts": LARGEST,
    "retry_interval": LARGEST,
}
LONGEST = NodeDescription(
    cluster="c" * LONGEST_CLUSTER_NAME,
    domain=".".join(["d" * 60] * 4)[:LONGEST_DOMAIN],
    group="g" * LONGEST_GROUP_NAME,
    roles=(CONSUL_SERVER, SWARM_MANAGER, SWARM_WORKER),
    consul_servers=7,
    network_cidr="100.100.100.0/24",
    storage=Storage(
        bucket="b" * 63, region="ap-southeast-99", endpoint="https://s3.ap-southeast-99.amazonaws.com.cn"
    ),
    peers=tuple(f"100.100.100.{number}" for number in range(100, 107)),
    identity=f"/swarmer/{'c' * LONGEST_CLUSTER_NAME}/identity",
    registrator=LONGEST_REGISTRATOR,
)
SOFTWARE = Software(
    bucket="b" * 63,
    key="k" * 200,
    packages="p" * 200,
    region="ap-southeast-99",
    url_suffix="amazonaws.com.cn",
    digest="0" * 64,
)


def test_user_data_of_the_longest_description_fits() -> None:
    assert naming_rules.domain(LONGEST.domain) == LONGEST.domain
    assert naming_rules.group_name(LONGEST.group) == LONGEST.group
    assert naming_rules.cluster_name(LONGEST.cluster) == LONGEST.cluster
    assert len(user_data.render(LONGEST, SOFTWARE).encode()) < LIMIT_BYTES


def test_the_longest_options_of_the_registrator_are_valid_and_none_is_left_out() -> None:
    assert Registrator(**LONGEST_REGISTRATOR).model_dump(exclude_defaults=True) == LONGEST_REGISTRATOR
    assert LONGEST_REGISTRATOR.keys() == Registrator.model_fields.keys()


@pytest.mark.parametrize("key", [key for key, each in LONGEST_REGISTRATOR.items() if isinstance(each, str)])
@pytest.mark.parametrize("unit", ["a", "ä", ASTRAL, '"', "\\", "\n"], ids=repr)
def test_text_that_would_take_more_room_in_user_data_is_refused(key: str, unit: str) -> None:
    with pytest.raises(InvalidValue):
        RULES[key](unit * (LONGEST_TEMPLATE + 1))
    counted = {"a": 1, "ä": 6, ASTRAL: 12}.get(unit, 2)
    longest = LONGEST_TEMPLATE if key == "tags" else LONGEST_TEXT
    if key not in ("ip", "deregister"):
        RULES[key](unit * (longest // counted))
        with pytest.raises(InvalidValue):
            RULES[key](unit * (longest // counted + 1))


def test_a_character_that_yaml_refuses_reaches_the_node_all_the_same() -> None:
    odd = replace(LONGEST, registrator={"tags": "a\x7fb\x85\ufeff\n"})
    (written,) = yaml.safe_load(user_data.render(odd, SOFTWARE))["write_files"]
    assert NodeDescription.from_json(written["content"]) == odd


def test_a_node_reads_back_what_it_was_told() -> None:
    config = yaml.safe_load(user_data.render(LONGEST, SOFTWARE))
    (written,) = config["write_files"]
    assert written["path"] == names.NODE_DESCRIPTION
    assert NodeDescription.from_json(written["content"]) == LONGEST


def test_user_data_begins_as_cloud_init_wants_it() -> None:
    assert user_data.render(LONGEST, SOFTWARE).startswith("#cloud-config\n")


def test_unresolved_tokens_pass_through() -> None:
    token = "${Token[BucketName.123]}"
    node = NodeDescription.from_json(LONGEST.to_json().replace("b" * 63, token))
    assert token in user_data.render(node, SOFTWARE)


def test_the_digest_follows_the_software_and_nothing_else(tmp_path: Path) -> None:
    for path in software.files():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(software.ROOT / path, tmp_path / path)
    assert software.digest(tmp_path) == software.digest()
    (tmp_path / "node/__pycache__").mkdir(exist_ok=True)
    (tmp_path / "node/__pycache__/x.pyc").write_bytes(b"x")
    assert software.digest(tmp_path) == software.digest()
    (tmp_path / "node/agent.py").write_text("changed")
    assert software.digest(tmp_path) != software.digest()


def test_every_program_of_ours_is_started_by_the_target() -> None:
    units = software.ROOT / "node/systemd"
    target = (units / names.TARGET).read_text()
    own = {path.name for path in units.glob("*.service") if "@" not in path.name}
    assert names.UNIT_CONSUL in own
    assert all(unit in target for unit in own)


def test_boto3_has_one_version_wherever_it_is_installed() -> None:
    wanted = next(
        line for line in (software.ROOT / "node/requirements.txt").read_text().split() if "boto3" in line
    )
    assert wanted in (software.ROOT / "constraints.txt").read_text().split()
    assert wanted in (software.ROOT / "requirements.txt").read_text()
