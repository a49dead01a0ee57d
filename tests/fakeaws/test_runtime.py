"""Functions in their containers. The tests need the node image, but no cluster."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from swarmer.core import description
from swarmer.fakeaws.base import journal
from swarmer.fakeaws.lambda_.model import Archive, Function, Outcome
from swarmer.local import engine, environment, host, node_image
from swarmer.local.environment import Environment
from swarmer.providers.rehearsal import machine_controller
from swarmer.providers.rehearsal.packet_filters import PacketFilters
from swarmer.providers.rehearsal.runtime import trees
from swarmer.providers.rehearsal.runtime.pool import Pool
from tests.fakeaws.client import Aws
from tests.fakeaws.template import TRUST

HANDLER = """
import os, sys, time
count = 0
def handle(event, context):
    global count
    count += 1
    print("hears", event)
    if event == "raise":
        raise ValueError("no good")
    if event == "exit":
        os._exit(3)
    if event == "sleep":
        time.sleep(30)
    import added
    return {
        "count": count, "python": sys.version_info[:2], "added": added.word,
        "environment": sorted(os.environ),
        "left_ms": context.get_remaining_time_in_millis(), "request": context.aws_request_id,
        "writable": os.access("/var/task", os.W_OK), "user": os.getuid(),
    }
"""


def archive(**files: str) -> Archive:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as written:
        for name, text in files.items():
            written.writestr(name.replace("__", "/") + ".py", text)
    content = held.getvalue()
    return Archive(sha256=base64.b64encode(hashlib.sha256(content).digest()).decode(), content=content)


def test_a_tree_is_what_its_archives_hold_and_nothing_else(tmp_path: Path) -> None:
    first, second = archive(a="1", b="1"), archive(b="2")
    tree = trees.ensure_tree((first, second), tmp_path)
    assert {path.name: path.read_text() for path in tree.iterdir()} == {"a.py": "1", "b.py": "2"}
    assert trees.ensure_tree((first, second), tmp_path) == tree
    (tree / "a.py").write_text("changed")
    with pytest.raises(trees.DigestMismatch):
        trees.ensure_tree((first, second), tmp_path)


def test_environments_that_start_at_once_find_one_tree(tmp_path: Path) -> None:
    archives = (archive(**{f"m{number}": "1" for number in range(200)}),)
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda _: trees.ensure_tree(archives, tmp_path), range(8)))
    assert list(tmp_path.iterdir()) == list(found)


def test_an_archive_that_is_not_the_uploaded_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(trees.DigestMismatch):
        trees.ensure_tree((replace(archive(a="1"), sha256="other"),), tmp_path)


@pytest.fixture
def function(aws: Aws) -> Function:
    role = aws.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]
    return Function(
        name="function",
        arn="arn:aws:lambda:us-east-1:123456789012:function:function",
        handler="index.handle",
        runtime="python3.13",
        timeout_s=20,
        memory_mb=128,
        environment={"CLUSTER": "t"},
        code=archive(index=HANDLER),
        layers=(archive(python__added="word = 'from the layer'"),),
        role_arn=role["Arn"],
        region="us-east-1",
        subnets=(),
        security_groups=(),
        concurrency=None,
        log_group="/aws/lambda/function",
        revision="1",
    )


@pytest.fixture
def pool(small: Path, aws: Aws) -> Iterator[Pool]:
    from swarmer.fakeaws.ec2 import network_interfaces

    host.ensure_engine()
    g = Environment(cluster=description.load(small), servers=small)
    g.state.mkdir(parents=True, exist_ok=True)
    written = machine_controller.write(g, node_image.ensure_image(environment.CACHE, lambda _: None))
    made = Pool(written, PacketFilters(network_interfaces.deployed))
    yield made
    made.close()
    shutil.rmtree(g.state)
    assert engine.containers(**{environment.LABEL_FUNCTION: "function"}) == []


def call(pool: Pool, function: Function, event: Any = "hello") -> Outcome:
    return pool.invoke(function, f"request-{time.monotonic_ns()}", event)


@pytest.mark.cluster
def test_a_function_sees_what_lambda_would_show_it(pool: Pool, function: Function) -> None:
    outcome = call(pool, function)
    assert outcome.error == "", outcome
    seen = json.loads(outcome.payload)
    assert seen["python"] == [3, 13]
    assert seen["added"] == "from the layer"
    assert (seen["writable"], seen["user"] == 0) == (False, False)
    assert 0 < seen["left_ms"] <= 20_000
    assert {"CLUSTER", "AWS_SESSION_TOKEN", "AWS_LAMBDA_FUNCTION_NAME", "_HANDLER"} <= set(
        seen["environment"]
    )
    assert not {"HOME", "HOSTNAME", "container"} & set(seen["environment"])
    assert outcome.lines[0].startswith("START RequestId")
    assert "hears hello" in outcome.lines
    assert "Init Duration" in outcome.lines[-1]
    assert any(each["what"] == "hears hello" for each in journal.entries())


@pytest.mark.cluster
def test_an_environment_stays_warm_until_the_function_changes(pool: Pool, function: Function) -> None:
    assert [json.loads(call(pool, function).payload)["count"] for _ in range(3)] == [1, 2, 3]
    assert json.loads(call(pool, replace(function, revision="2")).payload)["count"] == 1
    assert len(engine.containers(**{environment.LABEL_FUNCTION: "function"})) == 1


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("event", "kind", "words"),
    [
        ("raise", "ValueError", "no good"),
        ("exit", "Runtime.ExitError", "Runtime exited"),
        ("sleep", "Sandbox.Timedout", "Task timed out after 2.00 seconds"),
    ],
)
def test_what_goes_wrong_is_said_and_the_next_call_works(
    pool: Pool, function: Function, event: str, kind: str, words: str
) -> None:
    short = replace(function, timeout_s=2)
    outcome = call(pool, short, event)
    assert outcome.error == "Unhandled"
    said = json.loads(outcome.payload)
    assert (said["errorType"], words in said["errorMessage"]) == (kind, True)
    assert call(pool, short).error == ""


@pytest.mark.cluster
def test_a_handler_that_cannot_be_imported_is_told(pool: Pool, function: Function) -> None:
    outcome = call(pool, replace(function, handler="missing.handle"))
    assert json.loads(outcome.payload)["errorType"] == "ModuleNotFoundError"
