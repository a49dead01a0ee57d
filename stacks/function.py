"""One function: its queue and dead letters, role, log and triggers, and the alarms that all functions
have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.function_code import FunctionCode
from stacks.function_role import function_role
from stacks.network import NetworkStack
from swarmer.core import alarms, names
from swarmer.core.alarms import Alarm
from swarmer.core.healing.metrics import DIMENSION_CLUSTER, DIMENSION_SERVICE, NAMESPACE, Metric

TIMEOUT_S: Final = 60
"""Timeout for one invocation."""
VISIBILITY_TIMEOUT_S: Final = TIMEOUT_S + 10
"""Visibility time-out of the queue. It is shorter than AWS's advice of six times TIMEOUT_S, so that the work
of a killed function continues after a minute. Every step can be repeated."""
MEMORY_MB: Final = 256
"""Memory in MB, enough for each function. It includes a seventh of a processor; 1,769 MB include a whole
one."""
BATCH: Final = 10
"""Maximum number of messages in one invocation."""
DEAD_LETTER_DAYS: Final = 14
"""Days for which the dead-letter queue keeps a message."""
LOG_RETENTION: Final = logs.RetentionDays.THREE_MONTHS
"""Retention of the function's log."""


class Function(Construct):
    """Function with its queue. Results: `function`, `queue`, `dead_letters`, `log_group`."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        cluster: str,
        folder: str,
        network: NetworkStack,
        layer: lambda_.LayerVersion,
        statements: Iterable[iam.PolicyStatement],
        environment: Mapping[str, str],
        max_receive_count: int,
        max_message_age_s: int,
        concurrency: int,
        delay_s: int = 0,
        memory_mb: int = MEMORY_MB,
    ) -> None:
        """Create the function from `folder`, a folder below lambdas/.

        `max_receive_count`: number of receives after which a message is dead. `max_message_age_s`: age of a
        message, in seconds, that raises the alarm. `concurrency`: maximum number of parallel invocations.
        `delay_s`: seconds before a message is first received. `memory_mb`: memory in MB; processor time
        comes in proportion.
        """
        super().__init__(scope, construct_id)
        self.cluster, self.purpose = cluster, folder.replace("_", "-")
        self.dead_letters = self._queue("DeadLetters", retention_period=cdk.Duration.days(DEAD_LETTER_DAYS))
        self.queue = self._queue(
            "Queue",
            visibility_timeout=cdk.Duration.seconds(VISIBILITY_TIMEOUT_S),
            delivery_delay=cdk.Duration.seconds(delay_s),
            dead_letter_queue=sqs.DeadLetterQueue(
                queue=self.dead_letters, max_receive_count=max_receive_count
            ),
        )
        self.function = self._function(folder, network, layer, statements, environment, memory_mb)
        self.function.add_event_source_mapping(
            "Messages",
            event_source_arn=self.queue.queue_arn,
            batch_size=BATCH,
            max_concurrency=concurrency,
            report_batch_item_failures=True,
        )
        self._add_alarms(max_message_age_s)

    def add_trigger(self, construct_id: str, description: str, **pattern: Any) -> None:
        """Put every event of this pattern, or of this `schedule`, into the queue."""
        schedule = pattern.pop("schedule", None)
        events.Rule(
            self,
            construct_id,
            description=description,
            schedule=schedule,
            event_pattern=events.EventPattern(**pattern) if pattern else None,
            targets=[targets.SqsQueue(self.queue)],
        )

    def metric(
        self, name: Metric, *, statistic: str = "Maximum", period: cdk.Duration | None = None
    ) -> cloudwatch.Metric:
        """Return a metric that the function writes with Powertools; its period is a minute by default.

        Alarms must not do arithmetic with it, because it does not exist before its first value.
        """
        return cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=name,
            dimensions_map={DIMENSION_CLUSTER: self.cluster, DIMENSION_SERVICE: self.purpose},
            period=period or cdk.Duration.minutes(1),
            statistic=statistic,
        )

    def alarm(
        self,
        alarm: Alarm,
        metric: cloudwatch.IMetric,
        *,
        suffix: str = "",
        threshold: float | None = None,
        **words: object,
    ) -> None:
        """Add an alarm for values at or above its threshold in each of its periods.

        `suffix`: end of the construct ID, if the function has several alarms of the kind. `threshold`: the
        function's own threshold. `words`: values of the description's placeholders.
        """
        limit = alarm.threshold if threshold is None else threshold
        if limit is None:
            raise ValueError(f"{alarm.name}: give a threshold")
        missing = cloudwatch.TreatMissingData
        raises_if_silent = self.purpose.replace("-", "_") in alarm.raised_by_silence_of
        log = f"the log group {names.function_log_group(self.cluster, self.purpose)}"
        text = alarm.description({"function": self.purpose, "log": log, **words})
        cloudwatch.Alarm(
            self,
            f"{alarm.name}{suffix}",
            metric=metric,
            alarm_description=f"{self.cluster}: {text}",
            threshold=limit,
            evaluation_periods=alarm.periods,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=missing.BREACHING if raises_if_silent else missing.NOT_BREACHING,
        )

    # -- parts ----------------------------------------------------------------------------------

    def _queue(self, construct_id: str, **options: Any) -> sqs.Queue:
        return sqs.Queue(
            self, construct_id, encryption=sqs.QueueEncryption.SQS_MANAGED, enforce_ssl=True, **options
        )

    def _function(
        self,
        folder: str,
        network: NetworkStack,
        layer: lambda_.LayerVersion,
        statements: Iterable[iam.PolicyStatement],
        environment: Mapping[str, str],
        memory_mb: int,
    ) -> lambda_.Function:
        name = f"{self.cluster}-{self.purpose}"
        self.log_group = logs.LogGroup(
            self,
            "Log",
            log_group_name=names.function_log_group(self.cluster, self.purpose),
            retention=LOG_RETENTION,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        role = function_role(
            self,
            "Role",
            function_name=name,
            log_group=self.log_group,
            queue=self.queue,
            dead_letters=self.dead_letters,
            statements=statements,
        )
        with FunctionCode(folder) as code:
            made = lambda_.Function(
                self,
                "Function",
                function_name=name,
                runtime=lambda_.Runtime.PYTHON_3_13,
                architecture=lambda_.Architecture.ARM_64,
                handler=f"lambdas.{folder}.handler.handler",
                code=code,
                layers=[layer],
                role=role,
                log_group=self.log_group,
                memory_size=memory_mb,
                timeout=cdk.Duration.seconds(TIMEOUT_S),
                vpc=network.vpc,
                vpc_subnets={"subnets": network.node_subnets.subnets},
                security_groups=[network.security_groups.functions],
                environment={
                    "CLUSTER": self.cluster,
                    "QUEUE_URL": self.queue.queue_url,
                    "DEAD_LETTERS_URL": self.dead_letters.queue_url,
                    "POWERTOOLS_SERVICE_NAME": self.purpose,
                    **environment,
                },
            )
        cfn: Any = made.node.default_child
        # CDK lists the role's policies here. They are inline in the role, and the role is referred to
        # already.
        cfn.add_deletion_override("DependsOn")
        return made

    def _add_alarms(self, max_message_age_s: int) -> None:
        # A broken function is tried about every 70 s.
        minute, errors = (
            cdk.Duration.minutes(each.period_minutes) for each in (alarms.BACKLOG, alarms.ERRORS)
        )
        dead, age = (
            self.dead_letters.metric_approximate_number_of_messages_visible,
            self.queue.metric_approximate_age_of_oldest_message,
        )
        self.alarm(alarms.DEAD_LETTERS, dead(period=minute, statistic="Maximum"))
        # The queue's own age does not serve here: SQS leaves out messages that were received three times, and
        # messages that wait are received more often.
        self.alarm(alarms.OLD_MESSAGES, self.metric(Metric.WAITED), threshold=max_message_age_s)
        self.alarm(alarms.BACKLOG, age(period=minute, statistic="Maximum"), threshold=max_message_age_s)
        # A single error passes by itself.
        self.alarm(alarms.ERRORS, self.function.metric_errors(period=errors, statistic="Sum"))
        self.alarm(alarms.FAILURES, self.metric(Metric.FAILURES, statistic="Sum", period=errors))
