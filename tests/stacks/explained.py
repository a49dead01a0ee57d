"""Findings of cfn-lint, checkov and the IAM analyser that are right as they are, each with its reason.

cdk-nag's are beside the constructs (`acknowledge`), because a deployment needs them. A line here that no
finding uses fails a test.
"""

from __future__ import annotations

from typing import Final

from stacks.function_role import INTERFACES, WHY_ANY_RESOURCE
from stacks.people import SESSION_DOCUMENTS
from stacks.registry import WHY_NO_ACCESS_LOG

INTERFACES_OF_LAMBDA: Final = (
    "AWS's own policy for functions in a VPC has `*`: Lambda makes the interface, and its ID is yet to come. "
    "DenyInterfacesToCode takes the actions from the function's code. "
    "https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSLambdaVPCAccessExecutionRole.html"
)
FROM_FUNCTIONS: Final = (
    "Lambda puts this key into each request of the function's code, whatever the service. The tables list it "
    "for no action. https://docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html"
)
SESSION_MANAGER: Final = (
    "AWS's own policies for Session Manager have `*`. "
    "https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSCloud9SSMInstanceProfile.html"
)
DOCUMENTS_OF_AWS: Final = (
    "Documents of AWS itself have no account in their ARNs; the pattern of the tables demands one. "
    "https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-setup-identity-based-policies.html"
)
ROOT_OF_ACCOUNT: Final = (
    "A key's policy allows its own account everything, so that policies of IAM count and the key stays "
    "manageable. https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html"
)
DATA_KEYS: Final = "CloudWatch takes a data key with or without its plain text. The key serves one topic."
ANY: Final = "on *, although it can be limited to"

IAM: Final[dict[str, str]] = {
    "AWS::KMS::Key: kms:* is a wildcard": ROOT_OF_ACCOUNT,
    "AllowCloudWatchUseOfKey: kms:GenerateDataKey* is a wildcard": DATA_KEYS,
    f"AttachToVpc: ec2:AssignPrivateIpAddresses {ANY} network-interface": INTERFACES_OF_LAMBDA,
    f"AttachToVpc: ec2:CreateNetworkInterface {ANY} network-interface, security-group, subnet": (
        INTERFACES_OF_LAMBDA
    ),
    f"AttachToVpc: ec2:DeleteNetworkInterface {ANY} network-interface": INTERFACES_OF_LAMBDA,
    f"AttachToVpc: ec2:UnassignPrivateIpAddresses {ANY} network-interface": INTERFACES_OF_LAMBDA,
    f"UseSessionManager: ssm:UpdateInstanceInformation {ANY} instance, managed-instance": SESSION_MANAGER,
    **dict.fromkeys(
        (
            f"UseSessionDocuments: ::ssm:::document/{name} is no resource of its actions"
            for name in SESSION_DOCUMENTS
        ),
        DOCUMENTS_OF_AWS,
    ),
    **dict.fromkeys(
        (
            f"DenyInterfacesToCode: {action} does not know the condition key lambda:SourceFunctionArn"
            for action in INTERFACES
        ),
        FROM_FUNCTIONS,
    ),
}
"""Findings of the IAM analyser, as `str(Finding)`."""
CFN_LINT: Final[dict[tuple[str, str], str]] = {
    ("W3010", "Avoid hardcoding availability zones"): (
        "servers.yml may name its zones, so that a cluster that is to live keeps its subnets."
    ),
}
"""Findings of cfn-lint: the rule, and a part of the message."""
CHECKOV: Final[dict[str, str]] = {
    # S3 bucket without an access log
    "CKV_AWS_18": WHY_NO_ACCESS_LOG,
    # SQS queue without a KMS key
    "CKV_AWS_27": "SQS encrypts the queues itself (SqsManagedSseEnabled). The check knows only KMS keys.",
    # write access on `*`
    "CKV_AWS_111": f"{WHY_ANY_RESOURCE} {INTERFACES_OF_LAMBDA}",
    # function without reserved concurrency
    "CKV_AWS_115": (
        "The event source mapping bounds the concurrency. A reservation would take from the account's few."
    ),
    # function without a dead-letter queue
    "CKV_AWS_116": "The queue has the dead-letter queue. Nobody calls the function asynchronously.",
    # log group without a KMS key
    "CKV_AWS_158": "CloudWatch encrypts each log group with a key of its own. The logs hold no secret.",
    # environment without a KMS key
    "CKV_AWS_173": "Lambda encrypts the environment with a key of its own. It holds no secret.",
}
"""Findings of checkov, by the check's ID."""
