"""Lambda's Python runtime: the part that a function sees. It runs alone, inside the function's container.

Standard input: the environment, then one invocation per line, as JSON. Standard output: one answer per line.
The function's own output goes to standard error, and END marks the end of an invocation there.
https://docs.aws.amazon.com/lambda/latest/dg/python-context.html and python-exceptions.html
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import resource
import sys
import time
import traceback
from typing import Any

END = "\x00end "
SEARCHED = (
    "/var/task",
    "/opt/python/lib/python3.13/site-packages",
    "/opt/python",
    "/var/lang/lib/python3.13/site-packages",
)
"""Folders before the standard library. The last has boto3 and its dependencies, like Lambda's runtime."""


class Context:
    """Context that a handler receives with its event."""

    identity = None
    client_context = None
    tenant_id = None

    def __init__(self, call: dict[str, Any]) -> None:
        self.aws_request_id = call["request_id"]
        self.invoked_function_arn = call["function_arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self._deadline_ms = call["deadline_ms"]

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int(self._deadline_ms - time.time() * 1000))

    def log(self, message: object) -> None:
        sys.stdout.write(f"{message}\n")


class RequestFilter(logging.Filter):
    """Filter that adds the request to every log record."""

    request_id = ""

    def filter(self, record: logging.LogRecord) -> bool:
        record.aws_request_id = self.request_id
        return True


def main() -> int:
    commands = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    requests = _prepare(json.loads(commands.readline()))

    def answer(reply: dict[str, Any], request_id: str = "") -> None:
        sys.stdout.flush()
        sys.stderr.write(f"{END}{request_id}\n")
        sys.stderr.flush()
        reply["max_rss_kb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answers.write(json.dumps(reply).encode() + b"\n")
        answers.flush()

    try:
        handler = _load(os.environ["_HANDLER"])
    except BaseException as exc:
        answer({"error": _explain(exc, "")})
        return 1
    answer({"ready": True})
    for line in commands:
        call = json.loads(line)
        requests.request_id = call["request_id"]
        os.environ["_X_AMZN_TRACE_ID"] = call["trace_id"]
        reply, goes_on = _call(handler, call)
        answer(reply, call["request_id"])
        if not goes_on:
            return 1
    return 0


def _prepare(begin: dict[str, Any]) -> RequestFilter:
    """Set the environment to the variables of the template and of Lambda, without those of the image."""
    os.environ.clear()
    os.environ.update(begin["environment"])
    time.tzset()
    sys.path[:0] = SEARCHED
    requests = RequestFilter()
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        logging.Formatter("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", DATE)
    )
    handler.formatter.converter = time.gmtime  # type: ignore[union-attr]
    handler.addFilter(requests)
    logging.getLogger().addHandler(handler)
    os.chdir("/var/task")
    return requests


DATE = "%Y-%m-%dT%H:%M:%S"


def _load(name: str) -> Any:
    module, _, function = name.rpartition(".")
    return getattr(importlib.import_module(module.replace("/", ".")), function)


def _call(handler: Any, call: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Call the handler; return the answer, and whether this process is fit for another call."""
    try:
        result = handler(call["event"], Context(call))
        return {"result": json.dumps(result)}, True
    except Exception as exc:
        return {"error": _explain(exc, call["request_id"])}, True
    except BaseException as exc:
        reply = _explain(exc, call["request_id"]) | {"errorType": "Runtime.ExitError"}
        return {"error": reply}, False


def _explain(exc: BaseException, request_id: str) -> dict[str, Any]:
    """Describe an exception like Lambda's Python runtime, for the answer and the log."""
    frames = traceback.extract_tb(exc.__traceback__)[1:]
    reply = {
        "errorMessage": str(exc),
        "errorType": type(exc).__name__,
        "requestId": request_id,
        "stackTrace": traceback.format_list(frames),
    }
    sys.stdout.write(f"[ERROR] {reply['errorType']}: {exc}\nTraceback (most recent call last):\n")
    sys.stdout.write("".join(traceback.format_list(frames)))
    return reply


if __name__ == "__main__":
    sys.exit(main())
