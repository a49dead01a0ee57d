"""Resources of a request with their tags, for the comparison with IAM policies.

Source: Service Authorization Reference. The resource of any other service or action is `*`, so a grant for an
ARN does not cover it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from moto.autoscaling import autoscaling_backends
from moto.ec2 import ec2_backends

from swarmer.fakeaws.base.preload import ACCOUNT
from swarmer.fakeaws.iam.policies import Resource

Parameters = Mapping[str, Any]
EVERYTHING: Final = (Resource(arn="*"),)
EC2_TYPES: Final = {
    "i": "instance",
    "vol": "volume",
    "eni": "network-interface",
    "sg": "security-group",
    "subnet": "subnet",
    "vpc": "vpc",
    "lt": "launch-template",
}
"""Resource types of EC2's ARNs, by the prefix of the ID."""
SHELL_DOCUMENT: Final = "SSM-SessionManagerRunShell"
"""Default document of a session."""


def _no_session_tags(region: str, session_id: str) -> Mapping[str, str]:
    return {}


read_session_tags: Callable[[str, str], Mapping[str, str]] = _no_session_tags
"""Reader of the tags of a Session Manager session, by region and ID. `ssm.sessions` replaces it."""


def resources(service: str, action: str, region: str, parameters: Parameters) -> tuple[Resource, ...]:
    """Resources that the request concerns; at least one."""
    find_them = FINDERS.get(service)
    found = tuple(find_them(action, region, parameters)) if find_them else ()
    return found or EVERYTHING


def _ec2(action: str, region: str, parameters: Parameters) -> Iterable[Resource]:
    if action.startswith("Describe"):
        return ()
    ids = list(parameters.get("Resources") or parameters.get("InstanceIds") or ())
    ids += [parameters[key] for key in ("InstanceId", "NetworkInterfaceId") if parameters.get(key)]
    return [ec2_resource(region, each) for each in ids]


def ec2_resource(region: str, identifier: str) -> Resource:
    """Resource of EC2 with its tags. Systems Manager has its own condition keys for them."""
    kind = EC2_TYPES.get(identifier.partition("-")[0], "*")
    tags = ec2_backends[ACCOUNT][region].tags.get(identifier, {})
    context = {**_tagged(tags, "ec2"), **_tagged(tags, "ssm")}
    return Resource(arn=f"arn:aws:ec2:{region}:{ACCOUNT}:{kind}/{identifier}", context=context)


def _autoscaling(action: str, region: str, parameters: Parameters) -> Iterable[Resource]:
    if action.startswith("Describe"):
        return ()
    backend = autoscaling_backends[ACCOUNT][region]
    group = backend.autoscaling_groups.get(parameters.get("AutoScalingGroupName"))
    if group is None and parameters.get("InstanceId"):
        group = _group_of_instance(backend, parameters["InstanceId"])
    if group is not None:
        tags = {tag["Key"]: tag["Value"] for tag in group.tags}
        return [Resource(arn=group.arn, context=_tagged(tags, "autoscaling"))]
    name = parameters.get("AutoScalingGroupName", "*")
    prefix = f"arn:aws:autoscaling:{region}:{ACCOUNT}:autoScalingGroup"
    return [Resource(arn=f"{prefix}:*:autoScalingGroupName/{name}")]


def _group_of_instance(backend: Any, instance_id: str) -> Any:
    """The Auto Scaling group that holds the instance, or None."""
    for group in backend.autoscaling_groups.values():
        if any(state.instance_id == instance_id for state in group.instance_states):
            return group
    return None


def _tagged(tags: Mapping[str, str], service: str) -> dict[str, tuple[str, ...]]:
    """Condition keys of the tags: AWS's own and the service's, which most services have."""
    return {f"{name}:ResourceTag/{key}": (value,) for key, value in tags.items() for name in ("aws", service)}


def _ssm(action: str, region: str, parameters: Parameters) -> Iterable[Resource]:
    if action in ("SendCommand", "StartSession"):
        named = [
            *(parameters.get("InstanceIds") or ()),
            *([parameters["Target"]] if "Target" in parameters else ()),
        ]
        document = str(parameters.get("DocumentName") or SHELL_DOCUMENT)
        return [_document(region, document), *(ec2_resource(region, each) for each in named if each)]
    if action in ("TerminateSession", "ResumeSession"):
        session = str(parameters.get("SessionId"))
        context = _tagged(read_session_tags(region, session), "ssm")
        return [Resource(arn=f"arn:aws:ssm:{region}:{ACCOUNT}:session/{session}", context=context)]
    if action.endswith("Document"):
        return [_document(region, str(parameters.get("Name")))]
    return _parameter(action, region, parameters)


def _document(region: str, name: str) -> Resource:
    """Document by name or ARN. The ARN of AWS's own documents has no account."""
    account = "" if name.startswith("AWS-") else ACCOUNT
    return Resource(
        arn=name if name.startswith("arn:") else f"arn:aws:ssm:{region}:{account}:document/{name}"
    )


def _named(pattern: str, *keys: str, strip: str = "") -> Callable[[str, str, Parameters], Iterable[Resource]]:
    """Finder of resources whose names or ARNs are the values of these parameters."""

    def found(action: str, region: str, parameters: Parameters) -> Iterable[Resource]:
        for key in keys:
            value = parameters.get(key)
            for name in value if isinstance(value, list) else [value] if value else []:
                arn = str(name)
                if not arn.startswith("arn:"):
                    arn = pattern.format(region=region, account=ACCOUNT, name=arn.removeprefix(strip))
                yield Resource(arn=arn)

    return found


_parameter: Final = _named(
    "arn:aws:ssm:{region}:{account}:parameter/{name}", "Name", "Names", "Path", strip="/"
)


_alarm: Final = _named("arn:aws:cloudwatch:{region}:{account}:alarm:{name}", "AlarmName", "AlarmNames")


def _cloudwatch(action: str, region: str, parameters: Parameters) -> Iterable[Resource]:
    """Every alarm with the prefix, because no source documents the resource of a list of alarms."""
    found = list(_alarm(action, region, parameters))
    if found or action != "DescribeAlarms":
        return found
    return _alarm(action, region, {"AlarmName": f"{parameters.get('AlarmNamePrefix') or ''}*"})


def _sqs(action: str, region: str, parameters: Parameters) -> Iterable[Resource]:
    name = parameters.get("QueueName") or str(parameters.get("QueueUrl", "")).rpartition("/")[2]
    return [Resource(arn=f"arn:aws:sqs:{region}:{ACCOUNT}:{name}")] if name else ()


def _logs(action: str, region: str, parameters: Parameters) -> Iterable[Resource]:
    group = parameters.get("logGroupName") or str(parameters.get("logGroupIdentifier", "")).rpartition(":")[2]
    if not group:
        return ()
    arn = f"arn:aws:logs:{region}:{ACCOUNT}:log-group:{group}"
    stream = parameters.get("logStreamName")
    if action in ("PutLogEvents", "GetLogEvents", "DeleteLogStream") and stream:
        return [Resource(arn=f"{arn}:log-stream:{stream}")]
    return [Resource(arn=f"{arn}:*" if action != "CreateLogGroup" else arn)]


def _sts(action: str, region: str, parameters: Parameters) -> Iterable[Resource]:
    return [Resource(arn=parameters["RoleArn"])] if parameters.get("RoleArn") else ()


FINDERS: Final[Mapping[str, Callable[[str, str, Parameters], Iterable[Resource]]]] = {
    "ec2": _ec2,
    "autoscaling": _autoscaling,
    "sqs": _sqs,
    "logs": _logs,
    "sts": _sts,
    "ssm": _ssm,
    "cloudformation": _named("arn:aws:cloudformation:{region}:{account}:stack/{name}/*", "StackName"),
    "cloudwatch": _cloudwatch,
    "events": _named("arn:aws:events:{region}:{account}:event-bus/{name}", "EventBusName"),
    "lambda": _named("arn:aws:lambda:{region}:{account}:function:{name}", "FunctionName"),
    "sns": _named("{name}", "TopicArn"),
    "secretsmanager": _named("arn:aws:secretsmanager:{region}:{account}:secret:{name}-??????", "SecretId"),
}
"""Finders of resources, by service."""
