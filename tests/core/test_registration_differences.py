"""Written and removed entries, and the results of events. Rules 40 to 49."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from swarmer.adapters import docker_json
from swarmer.core.registration import CONTAINER, ENGINE, MARKER, Changes, Entry, Service, compare, events
from swarmer.core.registration.differences import as_declared
from swarmer.core.state import ContainerSummary

MINE = {MARKER: "n1", CONTAINER: "0123456789ab"}
WEB = Service(id="web", name="web", address="a", port=1, meta=MINE)


def changes(*wanted: Service, present: list[Entry], **more: Any) -> Changes:
    return compare({each.id: each for each in wanted}, present, hostname="n1", **more)


def of_others(**meta: str) -> Entry:
    return Entry(replace(WEB, id="theirs", meta=meta))


def test_only_differences_are_written() -> None:
    new, moved = replace(WEB, id="new"), replace(WEB, id="moved", port=4)
    present = [as_declared(WEB), as_declared(replace(moved, port=3)), as_declared(replace(WEB, id="gone"))]
    assert changes(WEB, new, moved, present=present) == Changes((new, moved), (), ("gone",))
    assert changes(WEB, present=[as_declared(WEB)]) == Changes()


def test_another_definition_of_a_check_is_a_difference_in_either_direction() -> None:
    checked = replace(WEB, check={"TCP": "a:1", "Interval": "10s"})
    assert changes(checked, present=[as_declared(checked)]) == Changes()
    assert changes(checked, present=[as_declared(WEB)]).declare == (checked,)
    assert changes(WEB, present=[as_declared(checked)]).declare == (WEB,)
    slower = replace(WEB, check={"TCP": "a:1", "Interval": "20s"})
    assert changes(slower, present=[as_declared(checked)]).declare == (slower,)


def test_another_state_of_health_is_confirmed_not_declared_anew() -> None:
    ill, well = replace(WEB, health="critical"), replace(WEB, health="passing")
    assert changes(ill, present=[as_declared(well)]) == Changes(confirm=(ill,))
    assert changes(replace(well, health_output="x"), present=[as_declared(well)]) == Changes()
    assert changes(ill, present=[as_declared(WEB)]).declare == (ill,)


def test_only_own_entries_are_removed() -> None:
    foreign = [of_others(), of_others(**{MARKER: "n2"}), of_others(**{CONTAINER: "0123456789ab"})]
    for entry in foreign:
        assert changes(present=[entry]) == Changes()
    assert changes(present=[as_declared(WEB)]).remove == ("web",)


def test_entries_stay_ours_when_the_host_changes_its_name() -> None:
    before = of_others(**{MARKER: "old", ENGINE: "e1"})
    assert changes(present=[before], engine="e1").remove == ("theirs",)
    assert changes(present=[before], engine="e2") == Changes()
    assert changes(present=[of_others(**{MARKER: "old", ENGINE: ""})], engine="") == Changes()


def test_an_entry_without_a_marker_is_taken_over_where_a_container_is_it() -> None:
    assert changes(WEB, present=[Entry(replace(WEB, meta={}))]).declare == (WEB,)


def test_what_a_failed_container_left_stays_as_long_as_that_is_wanted() -> None:
    assert changes(present=[as_declared(WEB)], kept={"0123456789ab"}) == Changes()


# -- events -----------------------------------------------------------------------------------


@dataclass
class Event:
    action: str
    id: str = "c"
    kind: str = "container"
    time_ns: int = 10
    attributes: dict[str, str] = field(default_factory=dict)


def batch(*found: Event, since_ns: int = 0) -> events.Batch:
    return events.batch(found, since_ns=since_ns)


def test_the_last_event_of_a_container_counts() -> None:
    assert list(batch(Event("start"), Event("die")).ended) == ["c"]
    assert not batch(Event("start"), Event("die")).started
    restarted = batch(Event("die"), Event("start"))
    assert (restarted.ended, list(restarted.changed)) == ({}, ["c"])


def test_health_and_names_lead_to_an_inspection_others_to_nothing() -> None:
    for action in ("rename", "health_status: unhealthy", "health_status: healthy"):
        assert list(batch(Event(action)).changed) == ["c"]
    assert list(batch(Event("start")).started) == ["c"]
    for action in ("create", "update", "exec_start", "pause"):
        assert batch(Event(action)) == events.Batch()


def test_a_container_whose_network_is_connected_is_coming() -> None:
    connected = Event("connect", id="net", kind="network", attributes={"container": "c"})
    assert batch(connected) == events.Batch(starting={"c": None})
    assert batch(connected, since_ns=11) == events.Batch()
    # An inspection from before an end may be answered with the earlier state.
    assert list(batch(Event("die"), connected, Event("start")).changed) == ["c"]
    crashed = batch(connected, Event("start"), Event("die"))
    assert (crashed.starting, crashed.started, list(crashed.ended)) == ({}, {}, ["c"])


def test_an_end_that_was_told_again_leads_to_an_inspection() -> None:
    found = batch(Event("die", time_ns=5), since_ns=10)
    assert (found.ended, list(found.changed)) == ({}, ["c"])


def test_only_a_status_of_its_own_is_a_failure() -> None:
    for code, failed in (
        ("0", False),
        ("1", True),
        ("127", True),
        ("137", False),
        ("255", False),
        ("", False),
    ):
        found = batch(Event("die", attributes={"exitCode": code}))
        assert found.ended["c"].has_failed is failed, code
        row = ContainerSummary(id="c", state="exited", status=f"Exited ({code}) 3 minutes ago")
        assert events.failed(row) is failed
        ended = docker_json.container({"State": {"Status": "exited", "ExitCode": code}})
        assert events.has_failed(ended) is failed


def test_services_and_nodes_are_about_the_swarm() -> None:
    assert batch(Event("update", kind="service")).is_about_swarm
    assert batch(Event("update", kind="node")).is_about_swarm


def test_a_row_of_docker_ps_changes_when_what_is_declared_may_have_to() -> None:
    row = ContainerSummary(
        id="c",
        names=("/web",),
        state="running",
        status="Up 3 minutes (healthy)",
        ports=("8000:80",),
        addresses={"bridge": "172.17.0.2"},
    )
    assert events.fingerprint(row) == events.fingerprint(replace(row, status="Up 4 minutes (healthy)"))
    for changed in (
        replace(row, status="Up 4 minutes (unhealthy)"),
        replace(row, names=("/other",)),
        replace(row, ports=("8001:80",)),
        replace(row, addresses={"bridge": "172.17.0.3"}),
    ):
        assert events.fingerprint(changed) != events.fingerprint(row)
    assert events.runs(row)
    assert not events.runs(replace(row, state="restarting"))
