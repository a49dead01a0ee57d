"""Values that an operator reads from AWS."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from swarmer.adapters.aws import Refused, Unavailable
from swarmer.adapters.operator import Account, of_this_machine
from swarmer.cli.common import load
from swarmer.core import description, names
from swarmer.core.state import GroupInstance
from swarmer.providers.rehearsal import cloud
from tests.fakeaws.client import Aws
from tests.fakeaws.scaling_client import (
    GROUP,
    LAUNCH,
    TERMINATE,
    complete,
    register_all,
    states,
    template,
)
from tests.fakeaws.template import cluster


@pytest.fixture
def account(aws: Aws) -> Account:
    return of_this_machine(aws.server.url, aws.region)


def launch(aws: Aws, of: str, group: str) -> str:
    """ID of a new instance."""
    tags = {names.TAG_CLUSTER: of, names.TAG_GROUP: group, names.TAG_ROLES: "consul-server swarm-manager"}
    made = aws.client("ec2").run_instances(
        ImageId="ami-12345678",
        MinCount=1,
        MaxCount=1,
        UserData="#cloud-config\n",
        TagSpecifications=[
            {
                "ResourceType": "instance",
                "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
            }
        ],
    )
    return str(made["Instances"][0]["InstanceId"])


def test_the_instances_of_one_cluster_are_listed_with_their_user_data(aws: Aws, account: Account) -> None:
    mine, lost, _ = launch(aws, "t", "core"), launch(aws, "t", "core"), launch(aws, "other", "core")
    account.terminate(lost)
    (found,) = account.instances("t")
    assert found == GroupInstance(
        id=mine,
        state="running",
        group="core",
        roles=("consul-server", "swarm-manager"),
        address=found.address,
        zone=found.zone,
        user_data="#cloud-config\n",
    )
    assert found.address and found.zone.startswith(aws.region)
    assert account.terminated("t") == {lost}


def test_a_group_is_scaled_and_one_that_is_not_there_is_none(aws: Aws, account: Account) -> None:
    aws.create("t", cluster(MinSize="1", MaxSize="3"))
    assert account.scale("t-core", 2) == 1
    assert aws.group("t-core")["DesiredCapacity"] == 2
    assert account.scale("t-none", 2) is None


def test_an_instance_is_rebooted_and_its_state_known_to_the_end(aws: Aws, account: Account) -> None:
    mine = launch(aws, "t", "core")
    account.reboot([mine])
    assert account.state(mine) == "running"
    account.terminate(mine)
    assert account.state(mine) == account.state("i-0123456789abcdef0") == "terminated"


def test_members_are_the_same_instances_without_a_question_for_each(aws: Aws, account: Account) -> None:
    launch(aws, "t", "core")
    (found,) = account.instances("t")
    account.calls.clear()
    assert account.members("t") == [replace(found, user_data="")]
    assert account.calls == ["ec2.DescribeInstances"]


def test_a_stack_that_is_not_there_has_no_outputs(aws: Aws, account: Account) -> None:
    assert account.outputs_if_any("t-none") is None


def test_instances_of_an_older_launch_template_are_outdated(aws: Aws, account: Account) -> None:
    aws.create("t", cluster(MinSize="2", MaxSize="2"))
    assert account.outdated(["t-core"]) == set()
    aws.update("t", cluster(MinSize="2", MaxSize="2", user_data="#changed\n"))
    assert account.outdated(["t-core"]) == {each["InstanceId"] for each in aws.instances("t-core")}


def test_stacks_outputs_parameters_and_buckets_are_plain_values(aws: Aws, account: Account) -> None:
    aws.create("t", cluster(MinSize="1", MaxSize="1"))
    assert account.stacks() == {"t"}
    assert account.outputs("t")["Group"] == "t-core"
    aws.client("ssm").put_parameter(Name="/a", Value="b", Type="String")
    assert account.parameter("/a") == "b"
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="held")
    s3.put_object(Bucket="held", Key="one", Body=b"123")
    assert "held" in account.buckets()
    assert account.objects("held") == [("one", 3)]


def test_a_refusal_and_silence_are_told_apart(aws: Aws, account: Account) -> None:
    with pytest.raises(Refused, match="ParameterNotFound"):
        account.parameter("/none")
    with pytest.raises(Unavailable) as silent:
        of_this_machine("http://127.0.0.1:9", aws.region).parameter("/none")
    assert not isinstance(silent.value, Refused)


def test_an_instance_that_its_group_keeps_is_known(aws: Aws, account: Account) -> None:
    hook = TERMINATE | {"DefaultResult": "ABANDON"}
    made = template(hook, MinSize="1", MaxSize="1")
    policy = {"RetentionTriggers": {"TerminateHookAbandon": "retain"}}
    made["Resources"]["Group"]["Properties"]["InstanceLifecyclePolicy"] = policy
    aws.create("t", made)
    (kept,) = states(aws)
    assert account.retained([GROUP]) == set()
    aws.client("autoscaling").terminate_instance_in_auto_scaling_group(
        InstanceId=kept, ShouldDecrementDesiredCapacity=False
    )
    complete(aws, kept, "ABANDON", hook="deregister")
    assert account.retained([GROUP]) == {kept}


def test_a_stack_that_waits_for_its_launched_instances_is_known(aws: Aws, account: Account) -> None:
    aws.create("t", template(LAUNCH, MinSize="2", MaxSize="2"))
    assert account.is_busy("t")
    assert account.are_launched([GROUP])
    assert not account.are_launched([GROUP, "t-none"])
    register_all(aws)
    aws.pass_time()
    assert not account.is_busy("t")


def test_up_refuses_a_change_that_aws_cannot_make_with_its_line(aws: Aws, tmp_path: Path) -> None:
    recorded = {
        "Resources": {"Q": {"Type": "AWS::SQS::Queue"}},
        "Outputs": {"PresentNetworkCidr": {"Value": "10.42.0.0/16"}},
    }
    servers = tmp_path / "servers.yml"
    groups = "groups:\n  core: {roles: [consul-server, swarm-manager, swarm-worker], size: 3}\n"
    servers.write_text(f"name: refused\nnetwork:\n  cidr: 10.44.0.0/16\n{groups}")
    env = load(str(servers), aws_port=int(aws.server.url.rpartition(":")[2]))
    cloud.check_changes(env)  # nothing is deployed
    aws.create("refused-network", recorded)
    with pytest.raises(description.Invalid) as refused:
        cloud.check_changes(env)
    (problem,) = refused.value.problems
    assert str(problem).startswith(f"{servers}:3: network.cidr: AWS cannot change the addresses of a VPC")
    servers.write_text(f"name: refused\n{groups}")
    cloud.check_changes(load(str(servers), aws_port=env.aws_port))
