from __future__ import annotations

import http.client
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.utils import InstanceMetadataFetcher

from swarmer.fakeaws.base import faults
from swarmer.fakeaws.base.faults import Fault
from tests.fakeaws.client import Aws
from tests.fakeaws.template import cluster

STRANGER = "127.9.9.9"


class Caller:
    """Client that calls the metadata service from a source address, as a node container does."""

    def __init__(self, aws: Aws, address: str) -> None:
        self._target = aws.server.addresses[0]
        self.address = address

    def ask(self, method: str, path: str, **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection(
            self._target.host, self._target.port, source_address=(self.address, 0)
        )
        spelled = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers=spelled)
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, body

    def token(self) -> str:
        status, body = self.ask("PUT", "/latest/api/token", x_aws_ec2_metadata_token_ttl_seconds="60")
        assert status == 200
        return body

    def get(self, path: str, token: str | None = None) -> tuple[int, str]:
        return self.ask("GET", f"/latest/{path}", x_aws_ec2_metadata_token=token or self.token())


@pytest.fixture
def instance(aws: Aws) -> dict[str, Any]:
    aws.create("t", cluster(MinSize="2", MaxSize="2"))
    return aws.instances("t-core")[1]


@pytest.fixture
def node(aws: Aws, instance: dict[str, Any]) -> Caller:
    return Caller(aws, instance["PrivateIpAddress"])


def test_node_learns_who_it_is(node: Caller, instance: dict[str, Any]) -> None:
    assert node.get("meta-data/instance-id") == (200, instance["InstanceId"])
    assert node.get("meta-data/local-ipv4") == (200, node.address)
    assert node.get("meta-data/placement/availability-zone") == (200, "us-east-1b")
    assert node.get("meta-data/placement/region") == (200, "us-east-1")
    identity = json.loads(node.get("dynamic/instance-identity/document")[1])
    assert identity["instanceId"] == instance["InstanceId"]
    assert identity["region"] == "us-east-1"


def test_node_gets_its_user_data(node: Caller) -> None:
    assert node.get("user-data") == (200, "#cloud-config\n")


def test_node_gets_credentials_of_its_role(aws: Aws, node: Caller) -> None:
    role = node.get("meta-data/iam/security-credentials/")[1]
    assert role == aws.resource("t", "Role")
    answer = json.loads(node.get(f"meta-data/iam/security-credentials/{role}")[1])
    assert answer["Code"] == "Success"
    ends = datetime.strptime(answer["Expiration"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert 3500 < (ends - datetime.now(UTC)).total_seconds() <= 3600
    assert answer == json.loads(node.get(f"meta-data/iam/security-credentials/{role}")[1]) | {
        "LastUpdated": answer["LastUpdated"]
    }


def test_credentials_of_another_role_are_not_there(node: Caller) -> None:
    assert node.get("meta-data/iam/security-credentials/admin")[0] == 404


def test_get_without_a_token_is_refused(node: Caller) -> None:
    assert node.ask("GET", "/latest/meta-data/instance-id")[0] == 401


def test_token_of_another_node_is_refused(aws: Aws, node: Caller) -> None:
    other = Caller(aws, aws.instances("t-core")[0]["PrivateIpAddress"])
    assert node.get("meta-data/instance-id", token=other.token())[0] == 401


def test_token_without_a_lifetime_is_refused(node: Caller) -> None:
    assert node.ask("PUT", "/latest/api/token")[0] == 400


def test_stranger_finds_nothing(aws: Aws, node: Caller) -> None:
    stranger = Caller(aws, STRANGER)
    assert stranger.ask("GET", "/latest/meta-data/instance-id")[0] == 404


def test_terminated_node_finds_nothing(aws: Aws, node: Caller, instance: dict[str, Any]) -> None:
    aws.client("ec2").terminate_instances(InstanceIds=[instance["InstanceId"]])
    assert node.ask("GET", "/latest/meta-data/instance-id")[0] == 404


def test_unknown_item_is_not_found(node: Caller) -> None:
    assert node.get("meta-data/no/such/thing")[0] == 404


def test_a_token_comes_with_its_lifetime_which_go_programs_insist_on(node: Caller, aws: Aws) -> None:
    lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    connection = http.client.HTTPConnection(
        aws.server.addresses[0].host, aws.server.addresses[0].port, source_address=(node.address, 0)
    )
    connection.request("PUT", "/latest/api/token", headers=lifetime)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert answer.headers["X-aws-ec2-metadata-token-ttl-seconds"] == "60"


def test_boto_takes_credentials_from_the_endpoint(aws: Aws, node: Caller) -> None:
    fetcher = InstanceMetadataFetcher(
        config={"ec2_metadata_service_endpoint": f"http://{aws.server.addresses[0]}"}
    )
    fetcher._session._manager.connection_pool_kw["source_address"] = (node.address, 0)
    credentials = fetcher.retrieve_iam_role_credentials()
    assert credentials["role_name"] == aws.resource("t", "Role")
    assert credentials["token"]


def test_the_service_fails_on_purpose_for_one_instance(
    aws: Aws, node: Caller, instance: dict[str, Any]
) -> None:
    other = Caller(aws, aws.instances("t-core")[0]["PrivateIpAddress"])
    faults.active.add(
        Fault(call="imds:*", caller=instance["InstanceId"], error="ServiceUnavailable", times=1)
    )
    assert other.get("meta-data/instance-id")[0] == 200
    assert node.ask("PUT", "/latest/api/token", x_aws_ec2_metadata_token_ttl_seconds="60")[0] == 503
    assert node.get("meta-data/instance-id") == (200, instance["InstanceId"])
