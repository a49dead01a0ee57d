"""Everything that bare moto lacks, put into it once, before the first template."""

from __future__ import annotations

from functools import cache

from rehearsal.aws import preload


@cache
def apply() -> None:
    """Import and extend moto in this process; every later call does nothing."""
    preload.load()
    # They import moto, so they can only be imported once its settings are made.
    from rehearsal.aws import (
        activities,
        addresses,
        authorization,
        buckets,
        capacity,
        change_sets,
        function_logs,
        functions,
        groups,
        hooks,
        images,
        instances,
        keys,
        parameters,
        parsing,
        queues,
        rules,
        security_groups,
        stacks,
    )

    for module in (
        parsing,
        stacks,
        change_sets,
        instances,
        keys,
        groups,
        capacity,
        hooks,
        activities,
        images,
        parameters,
        addresses,
        buckets,
        security_groups,
        rules,
        queues,
        function_logs,
        functions,
        authorization,
    ):
        module.extend()
