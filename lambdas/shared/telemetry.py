"""Logger and metrics of a function; its template names the service."""

from __future__ import annotations

from typing import Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from swarmer.core.healing.metrics import NAMESPACE, Metric

logger: Final = Logger()
metrics: Final = Metrics(namespace=NAMESPACE)


def add_metric(metric: Metric, value: float = 1) -> None:
    """Add to a metric of this invocation."""
    metrics.add_metric(name=metric, unit=MetricUnit.Count, value=value)


def log(message: str, *, node: str = "", **facts: object) -> None:
    """Log one line about a step; `node` and the facts become separate keys."""
    logger.info(message, extra={**({"node": node} if node else {}), **facts})
