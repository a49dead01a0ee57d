"""Commands on AWS as an operator types them: what they print, change and refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from swarmer.cli import place
from swarmer.cli.main import main
from swarmer.core import names
from swarmer.providers.aws.provider import AwsProvider
from tests.fakeaws.client import Aws
from tests.fakeaws.operated import OPERATOR, VIEWER, agent, create_documents, launch, provider
from tests.fakeaws.template import cluster

Type = Callable[..., Result]


@pytest.fixture
def type_as(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Callable[[AwsProvider], Type]:
    """Function that returns a way to type commands, whose cluster is that of the provider."""

    def as_(found: AwsProvider) -> Type:
        monkeypatch.setattr(place, "find", lambda *_: found)
        return lambda *argv: CliRunner().invoke(main, argv)

    return as_


@pytest.fixture
def operator(aws: Aws, type_as: Callable[[AwsProvider], Type]) -> Iterator[Type]:
    """A deployed cluster with one node that has an agent, and its operator."""
    create_documents(aws)
    made = cluster(group="t-more", MinSize="0", MaxSize="2")
    aws.create("t-cluster", made)
    with agent(aws, launch(aws)):
        yield type_as(provider(aws, "operator", OPERATOR))


def test_a_command_s_output_and_exit_status_are_those_of_the_node(operator: Type) -> None:
    done = operator("exec", "core", "--", "sh", "-c", "echo words; echo others >&2; exit 5")
    assert (done.exit_code, done.stdout, done.stderr) == (5, "words\n", "others\n")


def test_the_address_of_a_node_is_printed(aws: Aws, operator: Type) -> None:
    done = operator("address", "core")
    (reservation,) = aws.client("ec2").describe_instances()["Reservations"]
    assert done.stdout == f"{reservation['Instances'][0]['PrivateIpAddress']}\n"


def test_a_change_needs_yes_where_nobody_can_be_asked(aws: Aws, operator: Type) -> None:
    refused = operator("scale", "more", "1")
    assert refused.exit_code == 2
    assert "nothing was changed on AWS, account " in refused.stderr
    assert aws.group("t-more")["DesiredCapacity"] == 0
    assert operator("scale", "more", "1", "--yes").stdout.startswith("more: 0 → 1 nodes")
    assert aws.group("t-more")["DesiredCapacity"] == 1


def test_a_node_is_terminated(operator: Type) -> None:
    assert operator("terminate", "core").exit_code == 2
    done = operator("terminate", "--yes", "core")
    assert done.exit_code == 0, done.stderr
    assert "is terminated; its group launches another" in done.stdout
    assert "no node is called 'core'" in operator("terminate", "--yes", "core").stderr


def test_the_registry_s_bucket_is_listed(aws: Aws, operator: Type) -> None:
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "images"}}
    output = {names.OUTPUT_BUCKET: {"Value": {"Ref": "Bucket"}}}
    aws.create("t-registry", {"Resources": {"Bucket": bucket}, "Outputs": output})
    aws.client("s3").put_object(Bucket="images", Key="one", Body=b"123")
    done = operator("bucket")
    assert done.stdout.split() == ["3", "s3://images/one"]


def test_a_viewer_is_refused_in_one_line(
    aws: Aws, operator: Type, type_as: Callable[[AwsProvider], Type], tmp_path: Path
) -> None:
    type_ = type_as(provider(aws, "viewer", VIEWER))
    marker = tmp_path / "made"
    for argv in (
        ("exec", "core", "--", "touch", str(marker)),
        ("terminate", "--yes", "core"),
        ("scale", "--yes", "more", "1"),
    ):
        done = type_(*argv)
        assert done.exit_code == 1
        assert len(done.stderr.splitlines()) == 1
        assert "the policy t-operator-us-east-1 grants it" in done.stderr
    assert not marker.exists()
    assert type_("address", "core").exit_code == 0
