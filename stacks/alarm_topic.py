"""SNS topic that mails a cluster's alarms to one address."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct


def mail_topic(scope: Construct, cluster: str, address: str) -> sns.Topic:
    """Create the topic that mails the alarms of `cluster` to `address`.

    It has its own key, because CloudWatch may not use the key that AWS manages.
    """
    cloudwatch = iam.ServicePrincipal("cloudwatch.amazonaws.com")
    of_this_account = {"StringEquals": {"aws:SourceAccount": cdk.Stack.of(scope).account}}
    key = kms.Key(
        scope,
        "AlarmKey",
        description=f"Alarms of Swarmer cluster {cluster} on their way to the operator",
        enable_key_rotation=True,
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
    key.add_to_resource_policy(
        iam.PolicyStatement(
            sid="AllowCloudWatchUseOfKey",
            principals=[cloudwatch],
            actions=["kms:Decrypt", "kms:GenerateDataKey*"],
            resources=["*"],
            conditions=of_this_account,
        )
    )
    topic = sns.Topic(scope, "AlarmTopic", master_key=key, enforce_ssl=True)
    # This policy replaces the default policy, and that one lets alarms of the account publish.
    topic.add_to_resource_policy(
        iam.PolicyStatement(
            sid="AllowCloudWatchPublish",
            principals=[cloudwatch],
            actions=["sns:Publish"],
            resources=[topic.topic_arn],
            conditions=of_this_account,
        )
    )
    topic.add_subscription(subscriptions.EmailSubscription(address))
    return topic
