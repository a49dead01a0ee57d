"""Execution of functions: warm environments are reused, and their number is limited."""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from swarmer.fakeaws.base import journal
from swarmer.fakeaws.lambda_ import execution_context, functions
from swarmer.fakeaws.lambda_.execution_context import ExecutionContext
from swarmer.fakeaws.lambda_.model import Function, Outcome
from swarmer.local import environment
from swarmer.local.environment import Environment
from swarmer.local.node_containers import container_name
from swarmer.providers.rehearsal import machine_controller
from swarmer.providers.rehearsal.packet_filters import PacketFilters
from swarmer.providers.rehearsal.runtime import trees
from swarmer.providers.rehearsal.runtime.execution_environment import Answer, ExecutionEnvironment

log: Final = logging.getLogger("swarmer.rehearsal")

RUNTIMES: Final = frozenset({"python3.13"})
"""Runtimes in the node image."""
INIT_TIMEOUT_S: Final = 30.0
"""Timeout for an environment's start, in seconds. Lambda allows 10 s; this machine may be busy."""
DEFAULT_CONCURRENCY: Final = 10
"""Maximum number of environments of a function without reserved concurrency."""
MAX_ENVIRONMENTS: Final = 16
"""Maximum number of environments of all functions."""
MAX_IDLE_S: Final = 600.0
"""Time without an invocation after which an environment ends, in seconds."""
MAX_AGE_S: Final = 3600.0
"""Age after which an idle environment ends, in seconds."""
SWEEP_INTERVAL_S: Final = 30.0
"""Interval between two searches for environments to end, in seconds."""
USER: Final = ("993", "990")
"""User and group IDs of functions: those of an unprivileged user, like Lambda's sandbox user."""
FILTER_CAPABILITIES: Final = ("NET_ADMIN", "SETGID", "SETPCAP", "SETUID")
"""Capabilities of the first process. It loads the packet filter and then drops all of them."""
BOOTSTRAP: Final = Path(__file__).with_name("bootstrap.py")


@dataclass
class Warm:
    """Environment with its parts."""

    environment: ExecutionEnvironment
    revision: str
    context: ExecutionContext
    cluster: Environment
    packet_filter: str
    """Text of its loaded filter; empty outside a VPC."""


class Pool:
    """Runner of functions. `path`: the file with the facts of the cluster."""

    def __init__(self, path: Path, filters: PacketFilters) -> None:
        self._path = path
        self._filters = filters
        self._guard = threading.Lock()
        self._idle: dict[str, list[Warm]] = defaultdict(list)
        self._all: list[Warm] = []
        self._slots: dict[tuple[str, int], threading.Semaphore] = {}
        self._total = threading.Semaphore(MAX_ENVIRONMENTS)
        self._closed = threading.Event()
        threading.Thread(target=self._sweep, daemon=True, name="functions").start()

    def invoke(self, function: Function, request_id: str, event: Any) -> Outcome:
        """Invoke the function; wait for a free environment if the limit is reached."""
        began_s, output = time.monotonic(), _Log(function, request_id)
        try:
            with self._slot(function):
                return self._run(function, request_id, event, output)
        except Exception as exc:
            log.exception("%s cannot be run", function.name)
            error = {"errorType": "NotRehearsed", "errorMessage": f"{type(exc).__name__}: {exc}"}
            output.platform(f"{error['errorMessage']} ({time.monotonic() - began_s:.1f} s)")
            return Outcome(payload=json.dumps(error), error="Unhandled", lines=tuple(output.lines))

    def _run(self, function: Function, request_id: str, event: Any, output: _Log) -> Outcome:
        init_ms = 0.0
        warm = self._acquire(function)
        if warm is None:
            began_s = time.monotonic()
            warm, answer = self._start(function)
            init_ms = (time.monotonic() - began_s) * 1000
            output.lines.extend(answer.lines)
            if answer.error:
                self._end(warm)
                return Outcome(payload=json.dumps(answer.error), error="Unhandled", lines=tuple(output.lines))
        output.platform(f"START RequestId: {request_id} Version: $LATEST")
        began_s = time.monotonic()
        answer = warm.environment.invoke(_call(function, request_id, event), float(function.timeout_s))
        output.lines.extend(answer.lines)
        output.report((time.monotonic() - began_s) * 1000, init_ms, answer)
        if answer.is_over:
            self._end(warm)
        else:
            self._release(function, warm)
        payload = json.dumps(answer.error) if answer.error else answer.result
        return Outcome(payload=payload, error="Unhandled" if answer.error else "", lines=tuple(output.lines))

    # -- environments -----------------------------------------------------------------

    @contextmanager
    def _slot(self, function: Function) -> Iterator[None]:
        most = min(function.concurrency or DEFAULT_CONCURRENCY, MAX_ENVIRONMENTS)
        with self._guard:
            own = self._slots.setdefault((function.name, most), threading.Semaphore(most))
        with own, self._total:
            yield

    def _acquire(self, function: Function) -> Warm | None:
        """Take a warm environment with this revision and packet filter; end the others."""
        with self._guard:
            idle = self._idle.pop(function.name, [])
            fit = [each for each in idle if self._fits(each, function)]
            unfit = [each for each in idle if each not in fit]
            self._idle[function.name] = fit[:-1]
        for each in unfit:
            self._end(each)
        return fit[-1] if fit else None

    def _fits(self, warm: Warm, function: Function) -> bool:
        return (
            warm.revision == function.revision
            and warm.packet_filter == self._packet_filter(warm.cluster, function)
            and not warm.environment.is_over
        )

    def _packet_filter(self, env: Environment, function: Function) -> str:
        """Packet filter of the function's environments; empty outside a VPC."""
        return self._filters.of_function(env, function.security_groups) if function.subnets else ""

    def _release(self, function: Function, warm: Warm) -> None:
        warm.environment.used_s = time.monotonic()
        with self._guard:
            if not self._closed.is_set():
                self._idle[function.name].append(warm)
                return
        self._end(warm)

    def _start(self, function: Function) -> tuple[Warm, Answer]:
        if function.runtime not in RUNTIMES:
            raise ValueError(f"runtime {function.runtime} is not rehearsed, only {', '.join(RUNTIMES)}")
        env, image, _ = machine_controller.read(self._path)
        context = execution_context.acquire(function)
        packet_filter = self._packet_filter(env, function)
        if context.address:
            # The nodes' filters must admit the new address before the function connects to them.
            self._filters.refresh(env)
        name = container_name(env, f"{function.name}-{uuid.uuid4().hex[:8]}")

        def on_line(request_id: str, line: str) -> None:
            journal.record_log(function.name, line, request_id)

        environment = ExecutionEnvironment(
            name=name,
            argv=arguments(env, function, context, image, name, packet_filter),
            environment=variables(env, function, context),
            on_line=on_line,
        )
        warm = Warm(environment, function.revision, context, env, packet_filter)
        with self._guard:
            self._all.append(warm)
        return warm, environment.start(INIT_TIMEOUT_S)

    def _end(self, warm: Warm) -> None:
        warm.environment.close()
        execution_context.release(warm.context)
        with self._guard:
            if warm in self._all:
                self._all.remove(warm)

    def _sweep(self) -> None:
        while not self._closed.wait(SWEEP_INTERVAL_S):
            try:
                self._end_unused(time.monotonic())
            except Exception:
                log.exception("functions")

    def _end_unused(self, now_s: float) -> None:
        living = functions.all_revisions()
        with self._guard:
            unused = [
                each
                for idle in self._idle.values()
                for each in idle
                if each.revision not in living
                or each.environment.is_over
                or now_s - each.environment.used_s > MAX_IDLE_S
                or now_s - each.environment.born_s > MAX_AGE_S
            ]
            for name, idle in self._idle.items():
                self._idle[name] = [each for each in idle if each not in unused]
        for each in unused:
            self._end(each)

    def close(self) -> None:
        """End all environments."""
        self._closed.set()
        with self._guard:
            left = list(self._all)
        for each in left:
            self._end(each)


class _Log:
    """Log of a function: the runtime's own lines and the function's output, in order."""

    def __init__(self, function: Function, request_id: str) -> None:
        self._function, self._request_id = function, request_id
        self.lines: list[str] = []

    def platform(self, line: str) -> None:
        self.lines.append(line)
        journal.record_log(self._function.name, line, self._request_id)

    def report(self, duration_ms: float, init_ms: float, answer: Answer) -> None:
        self.platform(f"END RequestId: {self._request_id}")
        words = [
            f"REPORT RequestId: {self._request_id}",
            f"Duration: {duration_ms:.2f} ms",
            f"Memory Size: {self._function.memory_mb} MB",
            f"Max Memory Used: {answer.max_memory_mb} MB",
        ]
        self.platform("\t".join(words + ([f"Init Duration: {init_ms:.2f} ms"] if init_ms else [])))


def _call(function: Function, request_id: str, event: Any) -> dict[str, Any]:
    stamp = f"{int(time.time()):08x}"
    return {
        "request_id": request_id,
        "function_arn": function.arn,
        "deadline_ms": (time.time() + function.timeout_s) * 1000,
        "trace_id": f"Root=1-{stamp}-{uuid.uuid4().hex[:24]};Parent={uuid.uuid4().hex[:16]};Sampled=0",
        "event": event,
    }


def variables(env: Environment, function: Function, context: ExecutionContext) -> dict[str, str]:
    """Environment variables: those of the template, those of Lambda, and the address of AWS here.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
    """
    return {
        **function.environment,
        **context.credentials,
        "AWS_ENDPOINT_URL": env.aws_url_for_nodes,
        "AWS_REGION": function.region,
        "AWS_DEFAULT_REGION": function.region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": f"[$LATEST]{uuid.uuid4().hex}",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "LAMBDA_TASK_ROOT": "/var/task",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LANG": "en_US.UTF-8",
        "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        "TZ": ":UTC",
        "_HANDLER": function.handler,
    }


def arguments(
    env: Environment, function: Function, context: ExecutionContext, image: str, name: str, packet_filter: str
) -> list[str]:
    """Arguments of `docker run`. In a VPC the address is one of its subnets; else no node is reachable."""
    state = env.state / "functions"
    code = trees.ensure_tree((function.code,), state)
    layers = trees.ensure_tree(function.layers, state)
    runtime = trees.ensure_runtime(image)
    labels = {
        environment.LABEL_REHEARSAL: str(environment.ROOT),
        environment.LABEL_CLUSTER: env.cluster.name,
        environment.LABEL_FUNCTION: function.name,
    }
    network = (
        ("--network", env.network, "--ip", context.address) if context.address else ("--network", "bridge")
    )
    return [
        *("run", "--rm", "-i", "--name", name),
        *(word for key, value in labels.items() for word in ("--label", f"{key}={value}")),
        *network,
        *("--memory", f"{function.memory_mb}m", "--memory-swap", f"{function.memory_mb}m"),
        *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        *("--read-only", "--tmpfs", "/tmp:size=512m"),  # noqa: S108 - inside the environment
        *("-v", f"{code}:/var/task:ro", "-v", f"{layers}:/opt:ro"),
        *("-v", f"{runtime}:/var/lang/lib/python3.13/site-packages:ro"),
        *("-v", f"{BOOTSTRAP}:/var/runtime/bootstrap.py:ro"),
        *command(image, packet_filter),
    ]


def command(image: str, packet_filter: str) -> list[str]:
    """Options for the user, the image, and the command that runs a function."""
    runtime = ("/usr/bin/python3.13", "-I", "-S", "/var/runtime/bootstrap.py")
    if not packet_filter:
        return ["--user", ":".join(USER), "--entrypoint", runtime[0], image, *runtime[1:]]
    user, group = USER
    drop = f"setpriv --reuid {user} --regid {group} --clear-groups --inh-caps=-all --bounding-set=-all"
    script = f'printf %s "$1" | nft -f - && shift && exec {drop} "$@"'
    capabilities = (word for each in FILTER_CAPABILITIES for word in ("--cap-add", each))
    return [*capabilities, "--entrypoint", "sh", image, "-c", script, "sh", packet_filter, *runtime]
