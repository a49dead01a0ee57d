"""Commands about groups: what may be scaled or resumed by hand, and which events are shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from click.testing import CliRunner, Result

from swarmer.cli import groups, place
from swarmer.core import description
from swarmer.core.cluster import Cluster
from swarmer.core.cluster_events import ClusterEvent, of_function
from swarmer.core.errors import UserError

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


@dataclass
class StandIn:
    """Provider that notes what it is asked."""

    name: str = place.REHEARSAL
    place: str = "AWS, account 1, eu-central-1"
    cluster: Cluster = field(default_factory=lambda: description.parse(GROUPS))
    found: Sequence[ClusterEvent] = ()
    questions: int = 0
    resumed: list[str] = field(default_factory=list)

    def events(self, since_ms: int) -> Sequence[ClusterEvent]:
        assert since_ms > 0
        self.questions += 1
        if self.questions > 1:
            raise KeyboardInterrupt
        return self.found

    def resume(self, group: str) -> None:
        self.resumed.append(group)


def run(monkeypatch: pytest.MonkeyPatch, provider: StandIn, *argv: str) -> Result:
    monkeypatch.setattr(place, "find", lambda *_: provider)
    monkeypatch.setattr("time.sleep", lambda _: None)
    commands = {each.name: each for each in groups.COMMANDS}
    return CliRunner().invoke(commands[argv[0]], argv[1:], catch_exceptions=False)


EVENTS = [of_function(str(number), number, "f", "words") for number in (1, 2, 3)]
RUNTIME = of_function("4", 4, "f", "START RequestId: 1")


def shown(done: Result) -> list[str]:
    return [json.loads(line)["id"] for line in done.stdout.splitlines()]


@pytest.mark.parametrize(("lines", "ids"), [("0", []), ("2", ["2", "3"]), ("9", ["1", "2", "3"])])
def test_at_most_so_many_events_are_shown_the_last_ones(
    monkeypatch: pytest.MonkeyPatch, lines: str, ids: list[str]
) -> None:
    done = run(monkeypatch, StandIn(found=[*EVENTS, RUNTIME]), "events", "--json", "-n", lines)
    assert shown(done) == ids


def test_lines_of_the_runtime_are_shown_if_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(monkeypatch, StandIn(found=[*EVENTS, RUNTIME]), "events", "--json", "--all")
    assert shown(done) == ["1", "2", "3", "4"]


def test_ctrl_c_is_how_following_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(monkeypatch, StandIn(found=EVENTS), "events", "--json", "-F")
    assert done.exit_code == 0
    assert shown(done) == ["1", "2", "3"]


def test_a_group_launches_again_if_it_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = StandIn()
    assert "workers launches nodes again" in run(monkeypatch, provider, "resume", "workers").stdout
    with pytest.raises(UserError, match="the groups of swarmer: core, workers, fixed"):
        run(monkeypatch, provider, "resume", "none")
    assert provider.resumed == ["workers"]


def test_on_aws_nothing_is_resumed_without_a_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = StandIn(name=place.AWS)
    with pytest.raises(UserError, match="nothing was changed"):
        run(monkeypatch, provider, "resume", "workers")
    assert provider.resumed == []
    run(monkeypatch, provider, "resume", "--yes", "workers")
    assert provider.resumed == ["workers"]
