"""Refusals for sessions of roles, over HTTP; every other caller may do everything."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.sts import sts_backends

from swarmer.fakeaws.base import journal
from swarmer.fakeaws.base.preload import ACCOUNT
from tests.fakeaws.client import Aws
from tests.fakeaws.events_client import TRUST, template
from tests.fakeaws.scaling_client import GROUP, states
from tests.fakeaws.scaling_client import template as group_template

GROUPS = "arn:aws:autoscaling:*:*:autoScalingGroup:*:autoScalingGroupName/t-*"
OF_THE_CLUSTER = {"StringEquals": {"aws:ResourceTag/swarmer:cluster": "t"}}
Session = Callable[[str], Any]


def session(
    aws: Aws, *statements: dict[str, Any], service: str = "lambda", name: str = "function"
) -> Session:
    """Clients with the credentials of a role that has these statements."""
    trust = json.loads(json.dumps(TRUST).replace("lambda.amazonaws.com", f"{service}.amazonaws.com"))
    iam = aws.client("iam")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(document))
    given = aws.client("sts").assume_role(RoleArn=arn, RoleSessionName=name)["Credentials"]
    return aws.session(given)


def allow(*actions: str, on: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": on, **more}


def is_refused(act: Callable[..., Any], **arguments: Any) -> bool:
    try:
        act(**arguments)
    except ClientError as exc:
        assert "is not authorized to perform" in exc.response["Error"]["Message"], exc
        assert exc.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403)
        return True
    return False


def test_an_action_that_is_not_granted_is_refused_and_told(aws: Aws) -> None:
    client = session(aws, allow("ec2:DescribeInstances"))
    assert not is_refused(client("ec2").describe_instances)
    with pytest.raises(ClientError, match=r"UnauthorizedOperation.*ec2:DescribeVpcs on resource: \*"):
        client("ec2").describe_vpcs()
    assert journal.entries()[-1]["what"] == "AccessDenied"
    assert client("sts").get_caller_identity()["Arn"].endswith("assumed-role/function/function")


@pytest.fixture
def stored(aws: Aws) -> Any:
    """S3 of everybody, with two objects in a bucket."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="store")
    for key in ("nodes/one.zip", "others/two.zip"):
        s3.put_object(Bucket="store", Key=key, Body=b"content")
    return s3


def test_an_object_is_read_only_where_its_key_is_granted(aws: Aws, stored: Any) -> None:
    s3 = session(aws, allow("s3:GetObject", on="arn:aws:s3:::store/nodes/*.zip"), service="ec2")("s3")
    assert s3.get_object(Bucket="store", Key="nodes/one.zip")["Body"].read() == b"content"
    assert is_refused(s3.get_object, Bucket="store", Key="others/two.zip")
    assert is_refused(s3.put_object, Bucket="store", Key="nodes/one.zip", Body=b"changed")
    assert is_refused(s3.delete_object, Bucket="store", Key="nodes/one.zip")
    assert is_refused(s3.list_objects_v2, Bucket="store")
    with pytest.raises(ClientError) as refused:
        s3.get_object(Bucket="store", Key="others/two.zip")
    assert refused.value.response["Error"]["Code"] == "AccessDenied"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    with pytest.raises(ClientError, match="403"):
        s3.head_object(Bucket="store", Key="others/two.zip")


def test_an_acl_and_a_copy_need_permissions_of_their_own(aws: Aws, stored: Any) -> None:
    everything = "arn:aws:s3:::store/*"
    s3 = session(aws, allow("s3:PutObject", on=everything), service="ec2")("s3")
    put = {"Bucket": "store", "Key": "nodes/new", "Body": b"x"}
    assert not is_refused(s3.put_object, **put)
    assert is_refused(s3.put_object, **put, ACL="bucket-owner-full-control")
    copy = {"Bucket": "store", "Key": "nodes/copy", "CopySource": "store/others/two.zip"}
    assert is_refused(s3.copy_object, **copy)
    granted = allow("s3:PutObject", "s3:PutObjectAcl", "s3:GetObject", on=everything)
    s3 = session(aws, granted, service="ec2", name="more")("s3")
    assert not is_refused(s3.put_object, **put, ACL="bucket-owner-full-control")
    assert not is_refused(s3.copy_object, **copy)


def test_each_of_many_objects_has_to_be_granted_before_one_is_deleted(aws: Aws, stored: Any) -> None:
    s3 = session(aws, allow("s3:DeleteObject", on="arn:aws:s3:::store/nodes/*"), service="ec2")("s3")
    both = [{"Key": "nodes/one.zip"}, {"Key": "others/two.zip"}]
    assert is_refused(s3.delete_objects, Bucket="store", Delete={"Objects": both})
    assert stored.list_objects_v2(Bucket="store")["KeyCount"] == 2
    assert not is_refused(s3.delete_objects, Bucket="store", Delete={"Objects": both[:1]})
    assert stored.list_objects_v2(Bucket="store")["KeyCount"] == 1


def test_an_upload_in_parts_is_a_put_that_others_may_not_see(aws: Aws, stored: Any) -> None:
    s3 = session(aws, allow("s3:PutObject", on="arn:aws:s3:::store/*"), service="ec2")("s3")
    wanted = {"Bucket": "store", "Key": "nodes/parts"}
    upload = {**wanted, "UploadId": s3.create_multipart_upload(**wanted)["UploadId"]}
    tag = s3.upload_part(**upload, PartNumber=1, Body=b"part")["ETag"]
    assert is_refused(s3.list_parts, **upload)
    assert is_refused(s3.abort_multipart_upload, **upload)
    assert is_refused(s3.list_multipart_uploads, Bucket="store")
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]})
    assert stored.get_object(**wanted)["Body"].read() == b"part"


def give_to_another_cluster(aws: Aws) -> None:
    """Give the group the tag of another cluster."""
    tag = {"Key": "swarmer:cluster", "Value": "another", "PropagateAtLaunch": True}
    group = {"ResourceId": GROUP, "ResourceType": "auto-scaling-group"}
    aws.client("autoscaling").create_or_update_tags(Tags=[{**group, **tag}])


def test_hooks_of_the_cluster_s_own_groups_only(aws: Aws) -> None:
    aws.create("t", group_template(MinSize="1", MaxSize="1"))
    client = session(
        aws,
        allow(
            "autoscaling:SetInstanceHealth",
            "autoscaling:SuspendProcesses",
            on=GROUPS,
            Condition=OF_THE_CLUSTER,
        ),
    )
    autoscaling, (instance,) = client("autoscaling"), states(aws)
    assert not is_refused(autoscaling.suspend_processes, AutoScalingGroupName=GROUP)
    assert not is_refused(
        autoscaling.set_instance_health,
        InstanceId=instance,
        HealthStatus="Healthy",
        ShouldRespectGracePeriod=False,
    )
    assert is_refused(autoscaling.suspend_processes, AutoScalingGroupName="other")
    assert is_refused(autoscaling.describe_auto_scaling_groups)
    give_to_another_cluster(aws)
    assert is_refused(autoscaling.suspend_processes, AutoScalingGroupName=GROUP)


def test_instances_of_the_cluster_s_own_groups_are_ended_and_no_others(aws: Aws) -> None:
    aws.create("t", group_template(MinSize="2", MaxSize="2"))
    action = "autoscaling:TerminateInstanceInAutoScalingGroup"
    autoscaling = session(aws, allow(action, on=GROUPS, Condition=OF_THE_CLUSTER))("autoscaling")
    first, second = states(aws)
    end = autoscaling.terminate_instance_in_auto_scaling_group
    assert not is_refused(end, InstanceId=first, ShouldDecrementDesiredCapacity=False)
    give_to_another_cluster(aws)
    assert is_refused(end, InstanceId=second, ShouldDecrementDesiredCapacity=False)


def test_instances_with_the_tag_only(aws: Aws) -> None:
    aws.create("t", group_template(MinSize="1", MaxSize="1"))
    stranger = aws.client("ec2").run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1)["Instances"][0]
    on = "arn:aws:ec2:*:*:instance/*"
    client = session(aws, allow("ec2:GetConsoleOutput", "ec2:CreateTags", on=on, Condition=OF_THE_CLUSTER))
    (own,) = states(aws)
    assert not is_refused(client("ec2").get_console_output, InstanceId=own)
    assert is_refused(client("ec2").get_console_output, InstanceId=stranger["InstanceId"])
    assert is_refused(client("ec2").create_tags, Resources=[own, stranger["InstanceId"]], Tags=[{"Key": "a"}])


def test_a_parameter_by_its_name(aws: Aws) -> None:
    for name in ("/swarmer/t/identity", "/swarmer/u/identity"):
        aws.client("ssm").put_parameter(Name=name, Value="x", Type="String")
    ssm = session(aws, allow("ssm:GetParameter", on="arn:aws:ssm:*:*:parameter/swarmer/t/identity"))("ssm")
    assert not is_refused(ssm.get_parameter, Name="/swarmer/t/identity")
    assert is_refused(ssm.get_parameter, Name="/swarmer/u/identity")
    assert is_refused(ssm.put_parameter, Name="/swarmer/t/identity", Value="y", Overwrite=True)


def test_a_queue_by_its_url(aws: Aws) -> None:
    aws.create("healing", template())
    urls = {name: aws.client("sqs").get_queue_url(QueueName=name)["QueueUrl"] for name in ("events", "dead")}
    sqs = session(aws, allow("sqs:ReceiveMessage", on="arn:aws:sqs:us-east-1:123456789012:events"))("sqs")
    assert not is_refused(sqs.receive_message, QueueUrl=urls["events"])
    assert not is_refused(sqs.receive_message, QueueUrl=aws.resource("healing", "Queue"))
    assert is_refused(sqs.receive_message, QueueUrl=urls["dead"])
    assert is_refused(sqs.send_message, QueueUrl=urls["events"], MessageBody="x")


def test_metrics_of_a_namespace_and_streams_of_a_log_group(aws: Aws) -> None:
    aws.client("logs").create_log_group(logGroupName="group")
    condition = {"StringEquals": {"cloudwatch:namespace": "Swarmer"}}
    client = session(
        aws,
        allow("cloudwatch:PutMetricData", Condition=condition),
        allow("logs:CreateLogStream", "logs:PutLogEvents", on="arn:aws:logs:*:*:log-group:group:*"),
    )
    data = [{"MetricName": "m", "Value": 1.0}]
    assert not is_refused(client("cloudwatch").put_metric_data, Namespace="Swarmer", MetricData=data)
    assert is_refused(client("cloudwatch").put_metric_data, Namespace="Other", MetricData=data)
    stream = {"logGroupName": "group", "logStreamName": "s"}
    assert not is_refused(client("logs").create_log_stream, **stream)
    events = [{"timestamp": 0, "message": "x"}]
    assert not is_refused(client("logs").put_log_events, **stream, logEvents=events)
    assert is_refused(client("logs").create_log_stream, logGroupName="other", logStreamName="s")


def test_what_lambda_does_with_the_role_can_be_kept_from_the_code(aws: Aws) -> None:
    arn = "arn:aws:lambda:us-east-1:123456789012:function:function"
    deny = {"Effect": "Deny", "Action": "ec2:*", "Resource": "*"}
    ec2 = session(
        aws,
        allow("ec2:DescribeSubnets"),
        deny | {"Condition": {"ArnEquals": {"lambda:SourceFunctionArn": arn}}},
    )("ec2")
    with pytest.raises(ClientError, match="explicit deny"):
        ec2.describe_subnets()


def test_nodes_are_held_to_their_roles_too(aws: Aws) -> None:
    ec2 = session(aws, allow("ec2:DescribeInstances"), service="ec2")("ec2")
    assert not is_refused(ec2.describe_instances)
    assert is_refused(ec2.terminate_instances, InstanceIds=["i-1"])


def test_other_roles_and_plain_keys_may_do_everything(aws: Aws) -> None:
    assert not is_refused(session(aws, service="cloudformation")("ec2").describe_vpcs)
    assert not is_refused(aws.client("ec2").describe_vpcs)


@pytest.mark.parametrize("service", ["lambda", "cloudformation"])
def test_a_session_whose_role_is_gone_is_refused(aws: Aws, service: str) -> None:
    client = session(aws, service=service)
    aws.client("iam").delete_role(RoleName="function")
    for act in (client("ec2").describe_vpcs, client("sts").get_caller_identity, client("ssm").get_parameters):
        with pytest.raises(ClientError, match="InvalidClientTokenId"):
            act(**({"Names": ["x"]} if act.__name__ == "get_parameters" else {}))
    assert journal.entries()[-1]["what"] == "InvalidClientTokenId"


def test_a_session_that_nobody_began_is_refused(aws: Aws) -> None:
    client = boto3.client(
        "autoscaling",
        endpoint_url=aws.server.url,
        region_name=aws.region,
        aws_access_key_id="ASIAUNKNOWN",
        aws_secret_access_key="x",
        aws_session_token="x",
    )
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        client.describe_auto_scaling_groups()


def test_an_expired_session_is_refused(aws: Aws) -> None:
    client = session(aws, allow("ec2:DescribeVpcs"))
    assert not is_refused(client("ec2").describe_vpcs)
    held = sts_backends[ACCOUNT]["aws"].assumed_roles[-1]
    held.expiration -= timedelta(hours=2)
    with pytest.raises(ClientError, match="ExpiredToken"):
        client("ec2").describe_vpcs()


def test_s3_has_its_own_words_for_credentials_that_are_none(aws: Aws, stored: Any) -> None:
    wanted = {"Bucket": "store", "Key": "nodes/one.zip"}
    s3 = session(aws, allow("s3:GetObject", on="arn:aws:s3:::store/*"), service="ec2")("s3")
    assert s3.head_object(**wanted)["ContentLength"] == len(b"content")
    held = sts_backends[ACCOUNT]["aws"].assumed_roles[-1]
    held.expiration -= timedelta(hours=2)
    with pytest.raises(ClientError, match="ExpiredToken") as refused:
        s3.get_object(**wanted)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    aws.client("iam").delete_role_policy(RoleName="function", PolicyName="p")
    aws.client("iam").delete_role(RoleName="function")
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        s3.get_object(**wanted)


def test_an_event_needs_the_queue_s_permission(aws: Aws) -> None:
    without = template()
    del without["Resources"]["QueuePolicy"]
    aws.create("healing", without)
    entry = {"Source": "aws.autoscaling", "DetailType": "x", "Detail": '{"AutoScalingGroupName": "t-core"}'}
    aws.client("events").put_events(Entries=[entry])
    assert journal.entries()[-1]["what"] == "FailedInvocation"
