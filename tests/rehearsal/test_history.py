"""What happened, as a person reads it; and which groups may be scaled by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from swarmer.cli import groups
from swarmer.core import description
from swarmer.core.errors import UserError
from swarmer.local.environment import Environment
from swarmer.providers.rehearsal import history
from tests.fakeaws.client import Aws
from tests.fakeaws.template import cluster


def entry(kind: str, what: str, source: str = "aws.ec2", **detail: Any) -> dict[str, Any]:
    return {"number": 1, "time": 0.0, "kind": kind, "source": source, "what": what, "detail": detail}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            entry(
                "event",
                "EC2 Instance State-change Notification",
                **{"instance-id": "i-1", "state": "running"},
            ),
            "i-1                          EC2 Instance State-change Notification: running",
        ),
        (
            entry(
                "call",
                "CompleteLifecycleAction",
                EC2InstanceId="i-1",
                AutoScalingGroupName="t-core",
                LifecycleHookName="register",
                LifecycleActionResult="ABANDON",
            ),
            "i-1                          CompleteLifecycleAction (t-core): register, ABANDON",
        ),
        (
            entry(
                "log", json.dumps({"level": "INFO", "message": "admitted", "node": "core-i-1"}), "register"
            ),
            "register                     INFO admitted (node=core-i-1)",
        ),
        (entry("log", "plain words", "register"), "register                     plain words"),
    ],
    ids=["state change", "call", "structured log", "plain log"],
)
def test_an_entry_is_a_line(given: dict[str, Any], said: str) -> None:
    assert history.row(given).endswith(f"  {said}")


@pytest.mark.parametrize(
    "line", ["START RequestId: 1", "REPORT RequestId: 1", '{"_aws": {"CloudWatchMetrics": []}}']
)
def test_what_the_runtime_writes_of_itself_is_left_out(line: str) -> None:
    assert not history.is_informative(entry("log", line))
    assert history.is_informative(entry("log", "words"))


def test_what_happened_is_fetched_from_aws(aws: Aws) -> None:
    aws.create("t", cluster(MinSize="1", MaxSize="1"))
    found = history.fetch(aws.server.url, after=0)
    assert [each["what"] for each in found] == [
        "EC2 Instance State-change Notification",
        "EC2 Instance State-change Notification",
        "EC2 Instance Launch Successful",
    ]
    assert history.fetch(aws.server.url, after=found[0]["number"]) == found[1:]


GROUPS = """
groups:
  core: {roles: [consul-server, swarm-manager], size: 3}
  workers: {roles: [swarm-worker], min: 1, max: 4}
  fixed: {roles: [swarm-worker], size: 2}
"""


@pytest.mark.parametrize(
    ("group", "number", "said"),
    [
        ("core", 5, "change `size` in servers.yml, then `swarmer up`"),
        ("workers", 5, "workers has 1 to 4 nodes, not 5: change `max` in servers.yml"),
        ("workers", 0, "change `min`"),
        ("fixed", 3, "change `size`"),
        ("none", 3, "the groups of swarmer: core, workers, fixed"),
    ],
)
def test_what_cannot_be_scaled_by_hand_names_the_way_that_works(
    group: str, number: int, said: str, tmp_path: Any
) -> None:
    path = tmp_path / "servers.yml"
    path.write_text(GROUPS)
    with pytest.raises(UserError) as refused:
        groups.check_scalable(description.load(path), group, number, where="servers.yml")
    assert said in str(refused.value)
    groups.check_scalable(description.load(path), "workers", 3, where="servers.yml")


@pytest.mark.parametrize(("lines", "shown"), [("0", []), ("2", [2, 3]), ("9", [1, 2, 3])])
def test_at_most_so_many_entries_are_shown_the_last_ones(
    monkeypatch: pytest.MonkeyPatch, lines: str, shown: list[int]
) -> None:
    entries = [entry("event", "x") | {"number": number} for number in (1, 2, 3)]
    env = Environment(cluster=description.parse(GROUPS), servers=Path("servers.yml"))
    monkeypatch.setattr(groups, "load_running", lambda _: env)
    monkeypatch.setattr(history, "fetch", lambda _, after: entries)
    done = CliRunner().invoke(groups.events, ["--json", "-n", lines])
    assert [json.loads(line)["number"] for line in done.output.splitlines()] == shown


def test_ctrl_c_is_how_following_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    env = Environment(cluster=description.parse(GROUPS), servers=Path("servers.yml"))
    monkeypatch.setattr(groups, "load_running", lambda _: env)

    def fetch(_: str, *, after: int, wait_s: float = 0) -> list[dict[str, Any]]:
        if wait_s:
            raise KeyboardInterrupt
        return [entry("event", "x")]

    monkeypatch.setattr(history, "fetch", fetch)
    done = CliRunner().invoke(groups.events, ["--json", "-F"])
    assert done.exit_code == 0
    assert len(done.output.splitlines()) == 1
