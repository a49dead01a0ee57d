"""Permissions of people on the cluster's nodes, groups, logs and images: those of this cluster alone."""

from __future__ import annotations

from tests.fakeaws.client import Aws
from tests.fakeaws.scaling_client import GROUP, states
from tests.fakeaws.scaling_client import template as group_template
from tests.fakeaws.test_authorization import GROUPS, OF_THE_CLUSTER, allow, is_refused, session

INSTANCES = "arn:aws:ec2:*:*:instance/*"


def test_nodes_of_the_cluster_alone_are_looked_at_rebooted_and_terminated(aws: Aws) -> None:
    aws.create("t", group_template(MinSize="1", MaxSize="1"))
    stranger = aws.client("ec2").run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1)["Instances"][0]
    (own,) = states(aws)
    actions = ("ec2:GetConsoleOutput", "ec2:RebootInstances", "ec2:TerminateInstances")
    ec2 = session(aws, allow(*actions, on=INSTANCES, Condition=OF_THE_CLUSTER))("ec2")
    assert is_refused(ec2.get_console_output, InstanceId=stranger["InstanceId"])
    assert not is_refused(ec2.get_console_output, InstanceId=own)
    for act in (ec2.reboot_instances, ec2.terminate_instances):
        assert is_refused(act, InstanceIds=[stranger["InstanceId"]])
        assert is_refused(act, InstanceIds=[own, stranger["InstanceId"]])
        assert not is_refused(act, InstanceIds=[own])


def test_groups_of_the_cluster_alone_are_scaled_and_resumed(aws: Aws) -> None:
    aws.create("t", group_template(MinSize="1", MaxSize="2"))
    actions = ("autoscaling:ResumeProcesses", "autoscaling:SetDesiredCapacity")
    autoscaling = session(aws, allow(*actions, on=GROUPS, Condition=OF_THE_CLUSTER))("autoscaling")
    scale, resume = autoscaling.set_desired_capacity, autoscaling.resume_processes
    assert not is_refused(scale, AutoScalingGroupName=GROUP, DesiredCapacity=2)
    assert not is_refused(resume, AutoScalingGroupName=GROUP, ScalingProcesses=["Launch"])
    assert is_refused(scale, AutoScalingGroupName="u-core", DesiredCapacity=2)
    assert is_refused(resume, AutoScalingGroupName="u-core", ScalingProcesses=["Launch"])


def test_a_log_group_that_is_not_granted_is_not_read(aws: Aws) -> None:
    for group in ("/aws/events/t", "/swarmer/t/exec", "/swarmer/u/exec"):
        aws.client("logs").create_log_group(logGroupName=group)
        aws.client("logs").create_log_stream(logGroupName=group, logStreamName="s")
    logs = session(
        aws,
        allow("logs:FilterLogEvents", on="arn:aws:logs:*:*:log-group:/aws/events/t:*"),
        allow("logs:GetLogEvents", on="arn:aws:logs:*:*:log-group:/swarmer/t/exec:*"),
    )("logs")
    assert not is_refused(logs.filter_log_events, logGroupName="/aws/events/t")
    assert is_refused(logs.filter_log_events, logGroupName="/swarmer/t/exec")
    assert not is_refused(logs.get_log_events, logGroupName="/swarmer/t/exec", logStreamName="s")
    assert is_refused(logs.get_log_events, logGroupName="/swarmer/u/exec", logStreamName="s")


def test_a_bucket_is_listed_and_not_read(aws: Aws) -> None:
    s3 = aws.client("s3")
    for bucket in ("images", "others"):
        s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket="images", Key="blob", Body=b"x")
    own = session(aws, allow("s3:ListBucket", on="arn:aws:s3:::images"))("s3")
    assert not is_refused(own.list_objects_v2, Bucket="images")
    assert is_refused(own.get_object, Bucket="images", Key="blob")
    assert is_refused(own.list_objects_v2, Bucket="others")
