"""All extensions of moto, applied once before the first template."""

from __future__ import annotations

from functools import cache

from swarmer.fakeaws.base import preload


@cache
def apply() -> None:
    """Import and extend moto in this process. Later calls do nothing."""
    preload.load()
    # These modules import moto, so its settings must be made before.
    from swarmer.fakeaws import kms, s3, sqs
    from swarmer.fakeaws.autoscaling import activities, api, hooks, launch
    from swarmer.fakeaws.cloudformation import change_sets, deletions, described_parameters, stacks, template
    from swarmer.fakeaws.ec2 import addresses, images, instances, networks, security_groups
    from swarmer.fakeaws.eventbridge import rules
    from swarmer.fakeaws.iam import authorization, managed_policies, roles
    from swarmer.fakeaws.lambda_ import functions, logs
    from swarmer.fakeaws.logs import events
    from swarmer.fakeaws.ssm import inventory, parameters, run_command, sessions, versions

    for module in (
        template,
        stacks,
        change_sets,
        deletions,
        described_parameters,
        instances,
        kms,
        launch,
        api,
        hooks,
        activities,
        images,
        networks,
        parameters,
        run_command,
        versions,
        inventory,
        sessions,
        addresses,
        s3,
        security_groups,
        rules,
        sqs,
        logs,
        events,
        functions,
        roles,
        managed_policies,
        authorization,
    ):
        module.extend()
