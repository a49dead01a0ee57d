"""Questions of `doctor --aws` and `validate --aws`, to the simulated AWS and to prepared answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from click.testing import CliRunner, Result

from swarmer.adapters import aws as translation
from swarmer.adapters.account import Account, Bucket
from swarmer.cli.main import main
from swarmer.core import account as judgement
from swarmer.core import description, quotas
from swarmer.core.account import Unknown
from swarmer.core.errors import UserError
from swarmer.core.finding import State
from swarmer.core.quotas import Quota
from swarmer.providers.aws import survey
from tests.fakeaws.client import Aws
from tests.fakeaws.template import cluster as template

ROOT = Path(__file__).parents[2]
STANDARD = Quota("ec2", "L-1216C47A", "Running On-Demand Standard instances")
SHIPPED = description.load(ROOT / "servers.yml")


@pytest.fixture
def account(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Account:
    """Opened as a person does it: by the environment alone."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")  # AWS_REGION goes first, as in the CDK
    return Account()


def test_the_simulated_account_is_surveyed(aws: Aws, account: Account) -> None:
    aws.client("ssm").put_parameter(Name=judgement.BOOTSTRAP_PARAMETER, Value="30", Type="String")
    facts = survey.gather(SHIPPED, account)
    assert (facts.account, facts.region) == ("123456789012", "us-east-1")
    assert facts.zones == tuple(f"us-east-1{letter}" for letter in "abcdef")
    assert facts.default_zones == frozenset(facts.zones)
    assert not isinstance(facts.offered, Unknown)
    assert "us-east-1a" in facts.offered["t3.small"]
    assert facts.vcpus == {"t3.small": 2}
    assert facts.images == {"/aws/service/debian/release/13/latest/amd64": True}
    assert facts.bootstrap == "30"
    assert facts.quotas[quotas.NAT_GATEWAYS] == 5
    # moto has no quotas of EC2.
    assert isinstance(facts.quotas[STANDARD], Unknown)
    found = {each.what: each.state for each in judgement.judge(SHIPPED, facts)}
    assert found["quota L-1216C47A"] is State.UNKNOWN
    assert State.MISSING not in found.values()


def test_what_the_cluster_has_itself_is_not_in_use_by_others(aws: Aws, account: Account) -> None:
    own = template()
    own["Resources"]["Vpc"]["Properties"]["Tags"] = [{"Key": "swarmer:cluster", "Value": "t"}]
    before = account.in_use("t")
    aws.create("t", own)
    assert account.in_use("t") == before
    others = account.in_use("another")
    assert others.vpcs == before.vpcs + 1
    assert [name for name, _, spot in others.instances if not spot] == ["t3.small"] * 5


def test_a_bucket_s_name_is_free_or_the_accounts_own(aws: Aws, account: Account) -> None:
    assert account.bucket("some-images") is Bucket.FREE
    aws.client("s3").create_bucket(Bucket="some-images")
    assert account.bucket("some-images") is Bucket.OWN


def test_outputs_of_a_stack_that_is_not_there_are_none(aws: Aws, account: Account) -> None:
    assert account.outputs("t") == {}
    aws.create("t", template())
    assert account.outputs("t") == {"Group": "t-core"}


def test_a_change_that_aws_cannot_make_is_found_by_the_outputs(aws: Aws, account: Account) -> None:
    recorded = {
        "Resources": {"Q": {"Type": "AWS::SQS::Queue"}},
        "Outputs": {"PresentNetworkCidr": {"Value": "10.50.0.0/16"}},
    }
    aws.create("swarmer-network", recorded)
    (broken,) = survey.refused(SHIPPED, account)
    assert broken.key == ("network", "cidr")
    assert "write 10.50.0.0/16" in broken.advice


def command(*argv: str) -> Result:
    """`swarmer ARGV`, in this process."""
    return CliRunner().invoke(main, argv)


def test_validate_names_the_line_of_a_change_that_aws_cannot_make(
    aws: Aws, account: Account, tmp_path: Path
) -> None:
    recorded = {
        "Resources": {"Q": {"Type": "AWS::SQS::Queue"}},
        "Outputs": {"PresentNetworkZones": {"Value": "3"}},
    }
    aws.create("swarmer-network", recorded)
    servers = tmp_path / "servers.yml"
    text = (ROOT / "servers.yml").read_text()
    servers.write_text(f"network: {{zones: 2}}\n{text}")
    assert command("validate", "-f", str(servers)).exit_code == 0
    done = command("validate", "--aws", "-f", str(servers))
    assert done.exit_code == 2
    assert done.stderr.startswith(f"{servers}:1: network.zones: zones can only be added, at the end of")
    assert done.stderr.count("\n") == 1
    servers.write_text(f"network: {{zones: 4}}\n{text}")
    assert command("validate", "--aws", "-f", str(servers)).exit_code == 0


def test_doctor_lists_what_the_account_lacks(aws: Aws, account: Account, tmp_path: Path) -> None:
    servers = tmp_path / "servers.yml"
    servers.write_text(f"network: {{zones: [us-east-1z]}}\n{(ROOT / 'servers.yml').read_text()}")
    done = command("doctor", "--aws", "-f", str(servers))
    assert done.exit_code == 1
    assert "missing: zones" in done.stderr


def test_doctor_says_that_the_deploy_makes_a_missing_bootstrap(aws: Aws, account: Account) -> None:
    done = command("doctor", "--aws", "-f", str(ROOT / "servers.yml"))
    assert done.exit_code == 0, done.output
    assert "not there: swarmer deploy makes it" in done.stdout
    assert "`swarmer deploy` can begin" in done.stdout
    aws.client("ssm").put_parameter(Name=judgement.BOOTSTRAP_PARAMETER, Value="30", Type="String")
    assert "version 30" in command("doctor", "--aws", "-f", str(ROOT / "servers.yml")).stdout


def test_an_account_without_a_region_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(UserError, match="no AWS region is chosen; export AWS_REGION="):
        survey.gather(SHIPPED)


def test_nobody_s_credentials_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(UserError, match="AWS accepts no call with these credentials: Unable to locate"):
        survey.gather(SHIPPED)


# -- answers of AWS that moto does not give; botocore checks their form ------------------------------


class Stubbed:
    """An account of which one service gives prepared answers."""

    def __init__(self, service: str) -> None:
        session = boto3.Session("id", "secret", region_name="eu-central-1")
        self.account = Account(session)
        self.stub = Stubber(self.account.client(service))
        self.stub.activate()


def quota(value: float) -> dict[str, Any]:
    return {"Quota": {"ServiceCode": "ec2", "QuotaCode": STANDARD.code, "Value": value}}


ASKED = {"ServiceCode": "ec2", "QuotaCode": STANDARD.code}


def test_a_quota_is_that_of_the_account() -> None:
    made = Stubbed("service-quotas")
    made.stub.add_response("get_service_quota", quota(64.0), ASKED)
    assert made.account.quota(STANDARD) == 64.0


def test_a_quota_that_nobody_changed_is_the_default() -> None:
    made = Stubbed("service-quotas")
    made.stub.add_client_error("get_service_quota", "NoSuchResourceException", expected_params=ASKED)
    made.stub.add_response("get_aws_default_service_quota", quota(5.0), ASKED)
    assert made.account.quota(STANDARD) == 5.0


def test_a_missing_permission_is_a_refusal_with_its_reason() -> None:
    made = Stubbed("service-quotas")
    made.stub.add_client_error("get_service_quota", "AccessDeniedException", "not authorized")
    with pytest.raises(translation.Refused, match="not authorized"):
        made.account.quota(STANDARD)


@pytest.mark.parametrize(
    ("code", "state"), [("404", Bucket.FREE), ("403", Bucket.FOREIGN), ("301", Bucket.FOREIGN)]
)
def test_a_bucket_of_somebody_else_is_taken(code: str, state: Bucket) -> None:
    made = Stubbed("s3")
    made.account.__dict__["id"] = "123456789012"
    made.stub.add_client_error("head_bucket", code, http_status_code=int(code))
    assert made.account.bucket("some-images") is state


def test_zones_without_opt_in_are_not_open() -> None:
    made = Stubbed("ec2")
    rows = [
        {"ZoneName": "eu-central-1b", "State": "available", "OptInStatus": "opt-in-not-required"},
        {"ZoneName": "eu-central-1a", "State": "available", "OptInStatus": "opted-in"},
        {"ZoneName": "eu-central-1x", "State": "available", "OptInStatus": "not-opted-in"},
        {"ZoneName": "eu-central-1y", "State": "unavailable", "OptInStatus": "opted-in"},
    ]
    made.stub.add_response("describe_availability_zones", {"AvailabilityZones": rows})
    open_zones = [each.name for each in made.account.zones() if each.is_open]
    assert open_zones == ["eu-central-1a", "eu-central-1b"]


def test_other_errors_of_cloudformation_are_no_missing_stack() -> None:
    made = Stubbed("cloudformation")
    made.stub.add_client_error("describe_stacks", "ValidationError", "Stack with id t does not exist")
    made.stub.add_client_error("describe_stacks", "AccessDenied", "not authorized")
    assert made.account.outputs("t") == {}
    with pytest.raises(translation.Refused, match="not authorized"):
        made.account.outputs("t")


def test_the_words_of_the_simulated_cloudformation_are_those_of_aws(aws: Aws) -> None:
    with pytest.raises(ClientError, match="Stack with id t does not exist"):
        aws.client("cloudformation").describe_stacks(StackName="t")
