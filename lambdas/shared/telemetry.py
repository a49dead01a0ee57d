"""One logger, one tracer, one set of metrics for a function; its template names the service."""

from __future__ import annotations

from typing import Final

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit

from swarmer.core.healing.measures import NAMESPACE, Measure

logger: Final = Logger()
tracer: Final = Tracer(patch_modules=["botocore"])
metrics: Final = Metrics(namespace=NAMESPACE)


def count(measure: Measure, value: float = 1) -> None:
    """Add to a metric of this invocation."""
    metrics.add_metric(name=measure, unit=MetricUnit.Count, value=value)


def tell(message: str, *, node: str = "", **facts: object) -> None:
    """One line of what was done: `node` and facts are keys of their own."""
    logger.info(message, extra={**({"node": node} if node else {}), **facts})
