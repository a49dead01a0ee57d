"""An account that a cluster's provider cannot use: one line says why."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest

from swarmer.adapters.operator import OF_THIS_MACHINE, Account
from swarmer.core.errors import UserError
from swarmer.fakeaws.base import faults
from swarmer.fakeaws.base.faults import Fault
from swarmer.providers.aws.provider import AwsProvider
from tests.fakeaws.client import Aws
from tests.fakeaws.operated import CLUSTER, VIEWER, provider


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("AWS_REGION", "eu-west-1", "AWS accepts no call with these credentials: Unable to locate"),
        ("AWS_PROFILE", "typo", "AWS accepts no call with these credentials: .*typo"),
    ],
)
def test_without_credentials_nothing_is_asked(
    nobody: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(UserError, match=words) as said:
        AwsProvider.open(CLUSTER)
    assert said.value.status == 2


def test_without_a_region_the_variable_is_named(nobody: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with pytest.raises(UserError, match=r"no AWS region is chosen.*AWS_REGION"):
        AwsProvider.open(CLUSTER)


def test_silence_names_the_region(aws: Aws) -> None:
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="eu-middle-1")
    silent = AwsProvider(CLUSTER, Account(session, "http://127.0.0.1:9", OF_THIS_MACHINE))
    with pytest.raises(UserError, match="AWS does not answer in eu-middle-1: check AWS_REGION"):
        silent.nodes()


def test_throttling_is_said_so_after_the_sdk_s_own_tries(aws: Aws) -> None:
    viewer = provider(aws, "viewer", VIEWER)
    faults.active.add(Fault(call="ec2:DescribeInstances", error="Throttling", times=100))
    with pytest.raises(UserError, match="throttles"):
        viewer.nodes()
    assert viewer.account.calls.count("ec2.DescribeInstances") > 1
