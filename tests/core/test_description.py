"""Messages for the author of servers.yml."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from swarmer.core import description
from swarmer.core.cluster import Cluster, Role
from tests.core.keys import SMALLEST, common_keys

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "servers.yml"
REFERENCE = ROOT / "docs/reference/servers.md"
GOOD = """\
name: swarmer
groups:
  core:
    roles: [consul-server, swarm-manager, swarm-worker]
    size: 3
"""


def complaints(text: str) -> list[str]:
    with pytest.raises(description.Invalid) as caught:
        description.parse(text)
    lines = [str(problem) for problem in caught.value.problems]
    assert lines == str(caught.value).split("\n")
    return lines


def complaint(text: str) -> str:
    [line] = complaints(text)
    return line


def complaint_about(path: Path) -> str:
    with pytest.raises(description.Invalid) as caught:
        description.load(path)
    [problem] = caught.value.problems
    return str(problem).replace(str(path), path.name)


def test_the_shipped_description_is_valid() -> None:
    cluster = description.load(SHIPPED)
    assert (cluster.name, cluster.consul_servers, cluster.nodes) == ("swarmer", 3, 5)


EVERY_KEY = """\
name: shop
domain: shop.internal
tags: {cost-center: "1234", owner: people@example.com}
permissions_boundary: teams/limits
network:
  cidr: 10.9.0.0/20
  zones: 2
  egress: nat-gateway-per-zone
  service_ports: 8080-8090
  vpn_cidr: 10.8.0.0/22
image: {base: ami-0123456789abcdef0, base_arm64: ami-01234567}
registry: {bucket: shop-images}
registrator:
  internal: true
  network: backend
  explicit: true
  tags: "{{ .Name }}"
  deregister: on-success
  use_ip_from_label: address
  ip: 192.0.2.1
  script_checks: true
  resync: 60
  cleanup: true
  ttl: 30
  ttl_refresh: 10
  retry_attempts: 3
  retry_interval: 500
healing: {boot_deadline: 600, failed_boots: 5, grace: 120, alarms: you@example.com}
groups:
  servers: {roles: [consul-server, swarm-manager], size: 3, instance_type: m7g.large, disk: 50}
  workers:
    roles: [swarm-worker]
    min: 1
    max: 4
    instance_type: [m7i.large, m6i.large]
    spot: true
    memory: 1024
    cpus: 4
"""


IN_A_VPC = """\
network:
  cidr: 10.9.0.0/20
  vpc: vpc-0123456789abcdef0
  subnets: {eu-central-1a: subnet-76543210, eu-central-1b: subnet-0123456789abcdef0}
groups:
  core:
    roles: [consul-server, swarm-manager, swarm-worker]
    size: 3
"""
"""Description of a cluster in a VPC that exists: its keys exclude others of `network`."""


def test_every_key_reaches_the_cluster() -> None:
    cluster, smallest = description.parse(EVERY_KEY), description.parse(SMALLEST)
    common = set(common_keys(cluster, smallest)) & set(common_keys(description.parse(IN_A_VPC), smallest))
    assert common == set(), "give EVERY_KEY the new key"
    found = cluster.model_dump(mode="json", exclude_defaults=True)
    found["tags"] = dict(found["tags"])
    found["groups"] = {group.pop("name"): group for group in found["groups"]}
    for group in found["groups"].values():
        group["roles"].sort()
    assert found == yaml.safe_load(EVERY_KEY)


def test_a_cluster_in_a_vpc_has_the_zones_of_its_subnets() -> None:
    network = description.parse(IN_A_VPC).network
    assert network.zone_names == ("eu-central-1a", "eu-central-1b")
    assert (network.zone_count, network.region, network.vpc) == (2, "eu-central-1", "vpc-0123456789abcdef0")
    assert dict(network.subnets)["eu-central-1a"] == "subnet-76543210"


def test_the_size_of_subnets_that_exist_is_not_judged() -> None:
    assert description.parse(IN_A_VPC.replace("10.9.0.0/20", "10.9.0.0/26"))


def test_values_of_tags_are_text_as_they_stand_in_the_file() -> None:
    text = f"tags: {{a: 0010, b: true, c: no, d: 1.50, e: 'quoted', F: 2026-11-30}}\n{GOOD}"
    assert dict(description.parse(text).tags) == {
        "a": "0010", "b": "true", "c": "no", "d": "1.50", "e": "quoted", "F": "2026-11-30",
    }  # fmt: skip


def test_each_wrong_tag_is_told_with_its_own_line() -> None:
    lines = complaints(f"""\
tags:
  aws:team: x
  owner: a
  owner: b
  Name: mine
  swarmer:cluster: other
  empty: ""
  none:
  many: [a, b]
  bad: 50%
  {"k" * 128}: x
{GOOD}""")
    assert lines[:3] == [
        "servers.yml:2: tags.aws:team: aws: belongs to AWS; take another prefix",
        "servers.yml:4: tags.owner: duplicate key, first on line 3; keep one of them",
        "servers.yml:5: tags.Name: each resource has a Name of its own; take another key",
    ]
    assert [line.split(": ")[0] for line in lines] == [f"servers.yml:{n}" for n in (2, *range(4, 12))]
    assert lines[3].endswith("swarmer: is the prefix of Swarmer's own tags; take another prefix")
    assert "the value is empty" in lines[4]
    assert "tags.none: has no value; write one" in lines[5]
    assert "a list is not text" in lines[6]
    assert 'the value holds "%"; take letters, digits, spaces and _.:/=+-@' in lines[7]
    assert "the key has 128 characters; take 127 at most" in lines[8]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("vpc: vpc-0123456789abcdef0", "vpc: vpc-1", '3: network.vpc: "vpc-1" is no ID of a VPC; write vpc-'),
        ("  vpc: vpc-0123456789abcdef0\n", "", "3: network.subnets: no VPC is named; write vpc: vpc-"),
        ("  cidr: 10.9.0.0/20\n", "", "2: network.vpc: cidr, the address range of vpc-01"),
        ("  cidr", "  zones: 2\n  cidr", "2: network.zones: the zones are those of subnets; take zones out"),
        (
            "  cidr",
            "  egress: one-nat-gateway\n  cidr",
            "2: network.egress: vpc-0123456789abcdef0 has its own",
        ),
        (
            "eu-central-1b",
            "eu-west-1b",
            "the zones are in eu-central-1 and eu-west-1; name zones of one region",
        ),
        ("eu-central-1b", "b", 'network.subnets.b: "b" is no availability zone; write names like'),
        ("subnet-76543210", "sn-1", '4: network.subnets.eu-central-1a: "sn-1" is no ID of a subnet'),
        ("subnet-76543210", "subnet-0123456789abcdef0", "subnet-0123456789abcdef0 is in two zones"),
    ],
)
def test_a_vpc_that_cannot_be_used_is_told_in_one_line(old: str, new: str, expected: str) -> None:
    assert expected in complaint(IN_A_VPC.replace(old, new))


def test_a_vpc_without_subnets_is_told_in_one_line() -> None:
    kept = [line for line in IN_A_VPC.splitlines() if "subnets" not in line]
    told = complaint("\n".join(kept))
    assert told.startswith("servers.yml:3: network.vpc: the subnets of vpc-0123456789abcdef0 are not named; ")


def test_words_that_other_yaml_readers_take_for_truth_values_are_names() -> None:
    assert description.parse(GOOD.replace("swarmer", "no").replace("core:", "on:")).name == "no"


def test_a_problem_is_one_line_with_file_line_key_fault_and_advice() -> None:
    assert complaint(GOOD.replace("size: 3", "size: 4")) == (
        "servers.yml:5: groups.core.size: 4 is even; "
        "take 1, 3, 5 or 7 Consul servers and Swarm managers, they decide by majority"
    )


def test_all_mistakes_are_told_at_once_and_by_line() -> None:
    lines = complaints("""\
name: My Swarm
network:
  zones: "3"
  egres: none
  vpn_cidr: 10.42.0.0/20
groups:
  core:
    roles: [consul-server, swarm-manager]
    size: 2
    spot: true
  workers:
    roles: [swarm-worker]
    min: 3
    max: 2
    disk: 1
""")
    assert [line.split(": ")[:2] for line in lines] == [
        ["servers.yml:1", "name"],
        ["servers.yml:3", "network.zones"],
        ["servers.yml:4", "network.egres"],
        ["servers.yml:5", "network.vpn_cidr"],
        ["servers.yml:9", "groups.core.size"],
        ["servers.yml:10", "groups.core.spot"],
        ["servers.yml:13", "groups.workers.min"],
        ["servers.yml:15", "groups.workers.disk"],
    ]


def test_one_mistake_does_not_draw_others_after_it() -> None:
    assert "groups.core.roles" in complaint(GOOD.replace("swarm-manager", "manager"))
    assert "network.cidr" in complaint(GOOD + "network: {cidr: 10.42.0.1/16, vpn_cidr: 10.42.0.0/20}\n")
    assert "did you mean size?" in complaint(GOOD.replace("size", "sise"))
    assert "did you mean groups?" in complaint(GOOD.replace("groups", "group"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "servers.yml: the file is empty", id="empty"),
        pytest.param("# nothing\n", "servers.yml: the file is empty", id="only a comment"),
        pytest.param("---\n~\n", "servers.yml:2: null is not a mapping", id="null"),
        pytest.param("- a\n", "servers.yml:1: a list is not a mapping", id="list"),
        pytest.param("swarmer\n", 'servers.yml:1: "swarmer" is not a mapping', id="text"),
        pytest.param("\nname: a: b\n", "servers.yml:2: not YAML: mapping values are not", id="not YAML"),
        pytest.param("name: [a\n", "servers.yml:2: not YAML: expected ',' or ']'", id="bracket left open"),
        pytest.param("groups:\n\tcore: 1\n", "servers.yml:2: not YAML: a tab here", id="tab"),
        pytest.param("a: 1\n---\nb: 1\n", "servers.yml:2: not YAML: a second document", id="two documents"),
        pytest.param(
            "\na: \x07\n", "servers.yml:2: not YAML: it holds a control character", id="control character"
        ),
        pytest.param('a: "\\UFFFFFFFF"', "servers.yml: not YAML: ", id="escape beyond Unicode"),
        pytest.param("%YAML " + "1" * 5000 + ".1\n---\n", "servers.yml: not YAML: ", id="endless version"),
        pytest.param("a: &x 1\nb: *x\n", "servers.yml:1: anchors (&) and aliases (*)", id="anchor and alias"),
        pytest.param("a: *x\n", "servers.yml:1: anchors (&) and aliases (*)", id="alias alone"),
        pytest.param("a: !!python/name:os.system\n", "servers.yml:1: tags (!) are not used", id="tag"),
        pytest.param("[" * 20000, "servers.yml:1: is nested too deeply", id="nesting bomb"),
    ],
)
def test_what_is_no_mapping_in_plain_yaml_is_one_line(text: str, expected: str) -> None:
    assert complaint(text).startswith(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("name: a\n", "servers.yml:1: groups: is missing", id="no groups"),
        pytest.param("groups:\n", "servers.yml:1: groups: has no value", id="null groups"),
        pytest.param("groups: {}\n", "servers.yml:1: groups: there is no group", id="empty groups"),
        pytest.param("groups: [a]\n", "servers.yml:1: groups: a list is not a mapping", id="list of groups"),
        pytest.param(GOOD + "  more:\n", "servers.yml:6: groups.more: has no value", id="null group"),
        pytest.param(GOOD + "network:\n", "servers.yml:6: network: has no value", id="null section"),
        pytest.param(
            GOOD + "registry: s3\n", 'servers.yml:6: registry: "s3" is not a mapping', id="text section"
        ),
        pytest.param(GOOD + "domain:\n", "servers.yml:6: domain: has no value", id="null value"),
        pytest.param(GOOD + "name: b\n", "servers.yml:6: name: duplicate key, first on line 1", id="twice"),
        pytest.param(
            GOOD + "    size: 3\n", "servers.yml:6: groups.core.size: duplicate key", id="twice below"
        ),
        pytest.param(GOOD + "<<: {name: b}\n", "servers.yml:6: <<: unknown key; take name, ", id="merge"),
        pytest.param(GOOD + "? [a]\n: b\n", "servers.yml:6: a list: unknown key", id="list as key"),
        pytest.param(
            GOOD.replace("3", '"3"'), 'servers.yml:5: groups.core.size: "3" is not a whole', id="text size"
        ),
        pytest.param(
            GOOD.replace("3", "true"), "servers.yml:5: groups.core.size: true is not a", id="truth size"
        ),
        pytest.param(
            GOOD.replace("3", "03"), 'servers.yml:5: groups.core.size: "03" is not a', id="octal size"
        ),
        pytest.param(
            GOOD.replace("3", "3.0"), 'servers.yml:5: groups.core.size: "3.0" is not', id="fraction size"
        ),
        pytest.param(GOOD.replace("3", "9" * 5000), "servers.yml:5: groups.core.size: ", id="endless size"),
        pytest.param(
            GOOD.replace("3", "{a: 1}"), "servers.yml:5: groups.core.size: a mapping is", id="mapping size"
        ),
        pytest.param(
            GOOD.replace("    roles", "    #"), "servers.yml:3: groups.core.roles: is missing", id="no roles"
        ),
        pytest.param(GOOD.replace("core", "Core_1"), "servers.yml:3: groups.Core_1: ", id="group name"),
        pytest.param(
            GOOD.replace("swarmer", "42"), "servers.yml:1: name: 42 is not text", id="number as name"
        ),
        pytest.param(
            GOOD + "network: {zonse: 3}\n", "servers.yml:6: network.zonse: unknown key; did", id="typo"
        ),
    ],
)
def test_a_wrong_value_is_one_line_at_its_place(text: str, expected: str) -> None:
    assert complaint(text).startswith(expected)


def test_a_problem_stays_one_printable_line_whatever_it_quotes() -> None:
    for line in complaints('name: "a\\nb\\ud800"\n"x\\u2028y\\e[31m": 1\n' + GOOD.partition("\n")[2]):
        assert line.isprintable()


def test_a_bucket_may_be_left_to_cloudformation() -> None:
    assert description.parse(GOOD + "registry:\n  bucket:\n").registry.bucket is None


def test_a_byte_order_mark_and_windows_line_ends_are_harmless(tmp_path: Path) -> None:
    path = tmp_path / "servers.yml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert description.load(path).nodes == 3


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    assert complaint_about(tmp_path / "none.yml").startswith("none.yml: does not exist")
    assert complaint_about(tmp_path).startswith(f"{tmp_path.name}: is a directory")
    assert complaint_about(Path("/dev/zero")).startswith("zero: is no regular file")
    assert complaint_about(tmp_path / ("x" * 300)).endswith("name a file that you may read")
    assert "does not exist" in complaint_about(Path("a\0b"))
    unreadable = complaint_about(Path("/proc/self/mem"))
    assert unreadable == "mem: cannot be read: Input/output error; name a file that you may read"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"name: a\ndomain: \xff\n", "servers.yml:2: not UTF-8", id="Latin 1"),
        pytest.param(GOOD.encode("utf-16"), "servers.yml:1: not UTF-8", id="UTF-16"),
        pytest.param(b"#" * 70_000, "servers.yml: is larger than 64 KiB", id="huge"),
    ],
)
def test_a_file_that_is_no_short_text_is_one_line(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "servers.yml"
    path.write_bytes(content)
    assert complaint_about(path).startswith(expected)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(list(Role))
)
keys = (
    st.sampled_from([*Cluster.model_fields, "cidr", "zones", "core", "roles", "size", "min", "max"])
    | st.text()
)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=20,
)


def is_judged(text: str) -> bool:
    """A cluster, or at least one problem of one line each; anything else is raised."""
    try:
        return isinstance(description.parse(text), Cluster)
    except description.Invalid as invalid:
        return bool(invalid.problems) and str(invalid).count("\n") == len(invalid.problems) - 1


@given(st.text() | st.text("ab:-[]{}#&*!|>'\"%@?,~ \n\t\\Ux0123456789", max_size=40))
def test_no_text_makes_the_reader_fail(text: str) -> None:
    assert is_judged(text)


@given(st.dictionaries(st.sampled_from([*Cluster.model_fields, "nmae"]), trees))
def test_no_tree_makes_the_reader_fail(tree: dict[str, object]) -> None:
    """Python's repr of dicts, lists and scalars is nearly YAML's flow style."""
    assert is_judged(str({str(key): value for key, value in tree.items()}))


@given(st.binary(max_size=64))
def test_no_bytes_make_the_reader_fail(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.yml"
    path.write_bytes(content)
    try:
        description.load(path)
    except description.Invalid as invalid:
        assert invalid.problems


def test_the_worked_examples_of_the_documentation_are_valid() -> None:
    examples = re.findall(r"```yaml\n(.*?)```", REFERENCE.read_text(encoding="utf-8"), re.DOTALL)
    assert [description.parse(example).nodes for example in examples] == [9, 68]


def test_options_of_the_registrator_are_checked_like_everything_else() -> None:
    head = "groups: {a: {roles: [consul-server, swarm-manager, swarm-worker], size: 1}}\nregistrator:\n"
    good = description.parse(
        head
        + '  internal: true\n  script_checks: true\n  tags: "{{ .Name }}"\n  ttl: 30\n  ttl_refresh: 10\n'
    )
    assert good.registrator.model_dump(exclude_defaults=True) == {
        **{"internal": True, "script_checks": True, "tags": "{{ .Name }}"},
        **{"ttl": 30, "ttl_refresh": 10},
    }
    with pytest.raises(description.Invalid) as invalid:
        description.parse(
            head + '  internal: yes\n  resync: -1\n  tags: "{{"\n  deregister: no\n  ttl: 3\n  x: 1\n'
            "  ip: foo\n  script_checks: 1\n"
        )
    assert [(each.line, each.key) for each in invalid.value.problems] == [
        *((3, "registrator.internal"), (4, "registrator.resync"), (5, "registrator.tags")),
        *((6, "registrator.deregister"), (7, "registrator.ttl"), (8, "registrator.x")),
        *((9, "registrator.ip"), (10, "registrator.script_checks")),
    ]
