"""docs/reference/facts.yml has each fact about AWS that the project needs, and no other. Each proof holds."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from swarmer.cli.facts import PAGES, SOURCE, load
from swarmer.core import facts as core
from swarmer.core.facts import CALL, PERMISSION, PROPERTY, Fact, Quote, Rehearsed, Row, Unrehearsed
from tests.stacks import relied_on
from tests.stacks.assembly import Assembly
from tests.stacks.documented import is_comparable, is_documented

ROOT = Path(__file__).parents[2]
AWS = ROOT / "docs/guides/aws.md"
SHOWS_BEHAVIOUR = (
    *("tests/changes/", "tests/daily/", "tests/examples/", "tests/fakeaws/", "tests/lambdas/", "tests/node/"),
    *("tests/rehearsal/", "tests/vagrant/", "tests/vm/"),
)
"""Folders of tests in which something runs: the simulated AWS, real daemons, a function, a cluster."""
QUOTE = Quote(
    "The maximum size of the group.",
    "https://docs.aws.amazon.com/x.html#cfn-autoscaling-autoscalinggroup-maxsize",
    "",
)


@pytest.fixture(scope="module")
def facts() -> list[Fact]:
    return load()


@pytest.fixture(scope="module")
def rows(six: dict[str, Assembly], variant: Assembly) -> set[Row]:
    templates = [template for each in (*six.values(), variant) for template in each.templates.values()]
    return relied_on.properties(templates) | relied_on.permissions(templates) | relied_on.calls()


def test_each_row_has_a_proof(facts: list[Fact], rows: set[Row]) -> None:
    lacking = sorted(rows - {fact.row for fact in facts})
    lines = "".join(f"\n  {row.kind}, {row.subject}:\n    {row.name}: PROOF" for row in lacking)
    assert not lacking, f"add to docs/reference/facts.yml, and `make docs`:{lines}"


def test_no_row_is_stale(facts: list[Fact], rows: set[Row]) -> None:
    stale = sorted({fact.row for fact in facts} - rows)
    assert stale == [], "take them out of docs/reference/facts.yml, and `make docs`"


def test_a_new_property_permission_and_call_appear_by_themselves(
    six: dict[str, Assembly], tmp_path: Path
) -> None:
    policy = {"Statement": [{"Sid": "New", "Effect": "Allow", "Action": "sqs:PurgeQueue", "Resource": "*"}]}
    role = {"Type": "AWS::IAM::Role", "Properties": {"Path": "/", "Policies": [{"PolicyDocument": policy}]}}
    assert relied_on.properties([{"Resources": {"New": role}}]) == {Row(PROPERTY, "AWS::IAM::Role", "Path")}
    assert relied_on.permissions([{"Resources": {"New": role}}]) == {Row(PERMISSION, "New", "sqs:PurgeQueue")}
    (tmp_path / "node").mkdir()
    (tmp_path / "node/new.py").write_text('from x import client\nclient("sqs").purge_queue(QueueUrl="a")\n')
    assert relied_on.calls(tmp_path) == {Row(CALL, "node/new.py", "sqs:PurgeQueue")}


@pytest.mark.parametrize(
    ("source", "called"),
    [
        ('aws.client("ec2").get_paginator("describe_instances")', {"ec2:DescribeInstances"}),
        ('self._client("s3").list_buckets()', {"s3:ListBuckets"}),
        ('getattr(client("autoscaling"), call)\nf("set_instance_health")', {"autoscaling:SetInstanceHealth"}),
        ('ec2 = boto3.client("ec2", region_name="a")\nec2.run_instances()', {"ec2:RunInstances"}),
        ("print('describe_instances')", set()),
    ],
)
def test_a_call_is_found_however_it_is_made(source: str, called: set[str]) -> None:
    assert relied_on.calls_of(source) == called


def test_a_client_whose_calls_nobody_sees_is_an_error() -> None:
    with pytest.raises(LookupError, match="a client of kms, and no call"):
        relied_on.calls_of('Library(boto3_client=aws.client("kms"))')


# -- proofs --------------------------------------------------------------------------------------------


def functions_of(file: str) -> set[str]:
    """Tests that pytest collects in a file: functions of the module, by its own rule for names."""
    path = ROOT / file
    if not path.exists() or not path.name.startswith("test_"):
        return set()
    tree = ast.parse(path.read_text())
    return {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_each_test_that_is_named_exists(facts: list[Fact]) -> None:
    named = {fact.proof: str(fact.row) for fact in facts if isinstance(fact.proof, Rehearsed)}
    assert {
        f"{it.file}::{it.test}": row for it, row in named.items() if it.test not in functions_of(it.file)
    } == {}


def test_what_pytest_collects_is_known(request: pytest.FixtureRequest) -> None:
    """The rule above finds the tests of this very file, and no others."""
    here = str(Path(__file__).relative_to(ROOT))
    collected = {item.name.partition("[")[0] for item in request.session.items if item.path == Path(__file__)}
    assert collected <= functions_of(here)
    assert request.node.name in functions_of(here)
    assert not {"functions_of", "facts", "test_nothing_of_the_kind"} & functions_of(here)
    assert functions_of("tests/stacks/test_gone.py") == functions_of("tests/stacks/conftest.py") == set()


def test_tests_that_are_named_show_behaviour(facts: list[Fact]) -> None:
    """An assertion on a template proves only that it stands there."""
    files = {fact.proof.file for fact in facts if isinstance(fact.proof, Rehearsed)}
    assert [file for file in files if not file.startswith(SHOWS_BEHAVIOUR)] == []


def test_each_quotation_is_in_the_documentation(facts: list[Fact]) -> None:
    quotes = {fact.proof for fact in facts if isinstance(fact.proof, Quote)}
    comparable = {quote for quote in quotes if is_comparable(quote)}
    assert len(comparable) > 50
    assert [quote for quote in comparable if not is_documented(quote)] == []


def test_a_quotation_comes_from_awss_documentation(facts: list[Fact]) -> None:
    pages = {fact.proof.page for fact in facts if isinstance(fact.proof, Quote)}
    assert [page for page in pages if not page.startswith("https://docs.aws.amazon.com/")] == []


def test_a_quotation_that_aws_does_not_say_is_found() -> None:
    assert is_documented(QUOTE)
    assert not is_documented(Quote("The smallest size of the group.", QUOTE.page, ""))
    assert not is_documented(Quote(QUOTE.says, f"{QUOTE.page}s", ""))
    api = "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetConsoleOutput.html"
    assert is_documented(Quote("Gets the console output for the specified instance.", api, ""))
    assert not is_documented(Quote("Gets the console output of all instances.", api, ""))


# -- pages ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_the_pages_are_what_the_file_says(page: Path, facts: list[Fact]) -> None:
    assert core.fill(page.read_text(), facts) == page.read_text(), "make docs"


def test_the_page_about_aws_states_how_many_rows_are_unrehearsed(facts: list[Fact]) -> None:
    """The number makes sure that such a row is added on purpose."""
    stated = re.search(r"\*\*(\d+) of its\s+rows\*\* have neither", AWS.read_text())
    number = sum(isinstance(fact.proof, Unrehearsed) for fact in facts)
    assert stated
    assert int(stated[1]) == number, "docs/guides/aws.md: state the number, if the row really has no proof"


def test_the_file_is_the_one_that_the_page_names() -> None:
    assert f"`{SOURCE.relative_to(ROOT)}`" in PAGES[0].read_text()
