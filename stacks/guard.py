"""Guard in each template: CloudFormation refuses a deploy that would change a key that AWS cannot change.

A parameter records the value when the stack is made. CDK and AWS CLI keep the values of existing parameters
(`cdk deploy --previous-parameters`, the default), even if the new template has another default. A rule of
the new template compares the recorded value with the template's value. AWS CloudFormation User Guide,
"CloudFormation template Rules syntax" (read on 2026-11-30): rules validate "parameter values before
CloudFormation creates or updates any resources". docs/adr/0005-no-custom-resource.md compares this with other
checks.

The record is from the first deploy, so it lacks zones that were added later. CloudFormation by itself refuses
to remove those, because other stacks import their subnets.
"""

from __future__ import annotations

import aws_cdk as cdk

from swarmer.core import fixed
from swarmer.core.cluster import Cluster
from swarmer.core.fixed import Fixed, Stack


def guard(stack: cdk.Stack, cluster: Cluster, name: Stack) -> None:
    """Add the parameters and rules of the keys that this stack records."""
    for each in fixed.keys(cluster):
        if each.stack is name:
            _guard(stack, each, cluster.name)


def _guard(stack: cdk.Stack, each: Fixed, cluster: str) -> None:
    recorded = cdk.CfnParameter(
        stack,
        each.parameter,
        default=each.value,
        description=f"Record of {each.name} when the stack was made. Leave it as it is.",
    )
    cdk.CfnOutput(stack, each.output, value=each.value, description=f"{each.name}: {each.rule}")
    cdk.CfnRule(
        stack,
        f"{each.parameter}IsFixed",
        assertions=[
            cdk.CfnRuleAssertion(
                assert_=cdk.Fn.condition_contains(list(each.former), recorded.value_as_string),
                assert_description=each.refusal(cluster),
            )
        ],
    )
