"""A real engine whose answers are lost, or whose Swarm another client changes at the same time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from node import recover
from node.machine import Unusable
from swarmer.adapters.docker import Engine, Unavailable
from swarmer.core import recovery
from tests.node import lab
from tests.node.daemons.daemon import machine
from tests.node.losing import AFTER, ALWAYS, INSTEAD, ONCE, LosingEngine, Loss

HOST = "10.99.0.1"


@pytest.fixture(scope="module")
def dockerd() -> Iterator[lab.Dockerd]:
    with lab.engine() as found:
        found.docker("swarm", "init", "--advertise-addr", HOST)
        found.docker(
            *("service", "create", "-d", "--name", "kept", "--no-resolve-image", "--replicas", "0"),
            *(lab.IMAGE, "/bin/sleep", "3600"),
        )
        yield found


def availability(dockerd: lab.Dockerd) -> str:
    return dockerd.docker("node", "inspect", "self", "-f", "{{.Spec.Availability}}")


@pytest.fixture
def node(dockerd: lab.Dockerd) -> str:
    found = dockerd.docker("info", "-f", "{{.Swarm.NodeID}}")
    dockerd.docker("node", "update", "--availability", "active", found)
    return found


def racing(dockerd: lab.Dockerd, node: str, times: int) -> LosingEngine:
    """Engine with another client that labels the node between each read and its update, `times` times."""
    label = iter(range(times))

    def change(call: str) -> None:
        if call.startswith("POST /nodes/") and (value := next(label, None)) is not None:
            dockerd.docker("node", "update", "--label-add", f"changed={value}", node)

    return LosingEngine(dockerd.host, before=change)


def test_an_update_that_loses_a_race_is_made_again_from_a_fresh_look(dockerd: lab.Dockerd, node: str) -> None:
    assert racing(dockerd, node, ONCE).ensure_node(node, Availability="drain")
    assert availability(dockerd) == "drain"
    assert dockerd.docker("node", "inspect", "self", "-f", "{{.Spec.Labels.changed}}") == "0", (
        "the other client's change is kept"
    )


def test_an_update_that_loses_every_race_gives_up_with_dockers_words(dockerd: lab.Dockerd, node: str) -> None:
    with pytest.raises(Unavailable, match="update out of sequence"):
        racing(dockerd, node, ALWAYS).ensure_node(node, Availability="drain")
    assert availability(dockerd) == "active"


@pytest.mark.parametrize("times", [ONCE, ALWAYS], ids=["once", "always"])
def test_an_update_whose_answer_is_an_error_is_found_done(
    dockerd: lab.Dockerd, node: str, times: int
) -> None:
    engine = LosingEngine(dockerd.host, Loss("POST /nodes/", AFTER, times, text="connection reset"))
    assert engine.ensure_node(node, Availability="drain")
    assert availability(dockerd) == "drain"
    assert not engine.ensure_node(node, Availability="drain"), "and is not made again"


@pytest.mark.parametrize("text", ["connection reset", "update out of sequence"])
def test_an_update_that_never_succeeds_is_an_error(dockerd: lab.Dockerd, node: str, text: str) -> None:
    engine = LosingEngine(dockerd.host, Loss("POST /nodes/", INSTEAD, ALWAYS, text=text))
    with pytest.raises(Unavailable, match=text):
        engine.ensure_node(node, Availability="drain")
    assert availability(dockerd) == "active"


@pytest.mark.parametrize("how", [AFTER, INSTEAD])
def test_a_network_is_there_or_its_error_is_raised(dockerd: lab.Dockerd, how: str) -> None:
    """The engine here made docker_gwbridge itself; so a network of another name is made."""
    engine = LosingEngine(dockerd.host, Loss("POST /networks/create", how, ALWAYS, text="connection reset"))
    name = f"made-{how == AFTER}"
    if how == AFTER:
        assert engine._ensure_network(Name=name, Driver="bridge")
        assert not engine._ensure_network(Name=name, Driver="bridge")
    else:
        with pytest.raises(Unavailable, match="connection reset"):
            engine._ensure_network(Name=name, Driver="bridge")
    assert (name in dockerd.docker("network", "ls", "--format", "{{.Name}}")) == (how == AFTER)


# -- a Swarm whose quorum is lost --------------------------------------------------------------------


class WithoutQuorum(LosingEngine):
    """A manager that has lost its quorum until a call has made it the only one."""

    is_recovered = False
    carried_out = 0

    def ask_engine(self, method: str, path: str, body: object = None) -> object:
        if method == "GET" and path == "/info" and not self.is_recovered:
            info = super().ask_engine(method, path, body)
            return {**info, "Swarm": {**info["Swarm"], "Error": "no leader", "Cluster": None}}
        if path == "/swarm/init" and not any(
            each.how == INSTEAD and each.seen < each.times for each in self.losses
        ):
            self.is_recovered, self.carried_out = True, self.carried_out + 1
        return super().ask_engine(method, path, body)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "READY_TIMEOUT_S", 0.5)
    monkeypatch.setattr(recover, "RETRY_PAUSE_S", 0.1)


def recovered(dockerd: lab.Dockerd, monkeypatch: pytest.MonkeyPatch, *losses: Loss) -> WithoutQuorum:
    engine = WithoutQuorum(dockerd.host, *losses)
    swarm = dockerd.docker("info", "-f", "{{.Swarm.Cluster.ID}}")
    monkeypatch.setattr(recover, "expected_swarm", lambda: swarm)
    assert recover.recover_swarm(machine(HOST), engine, engine)
    assert dockerd.docker("info", "-f", "{{.Swarm.Cluster.ID}}") == swarm
    assert dockerd.docker("service", "ls", "--format", "{{.Name}}") == "kept"
    return engine


SETTINGS = "rpc error: code = Unknown desc = update out of sequence"


@pytest.mark.parametrize("times", [ONCE, ALWAYS], ids=["once", "always"])
@pytest.mark.parametrize("text", [SETTINGS, "docker.sock: timed out", "the connection ended"])
def test_a_call_that_succeeds_and_is_answered_with_an_error_recovers_the_swarm(
    dockerd: lab.Dockerd, monkeypatch: pytest.MonkeyPatch, quick: None, text: str, times: int
) -> None:
    engine = recovered(dockerd, monkeypatch, Loss("POST /swarm/init", AFTER, times, text=text))
    assert engine.carried_out == 1, "it is not made again"


def test_a_call_that_fails_once_is_made_again(
    dockerd: lab.Dockerd, monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    assert recovered(dockerd, monkeypatch, Loss("POST /swarm/init", INSTEAD)).carried_out == 1


def test_a_call_that_fails_always_ends_with_one_line_in_a_bounded_time(
    dockerd: lab.Dockerd, monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    monkeypatch.setattr(recover, "SWARM_TIMEOUT_S", 1.5)
    with pytest.raises(Unusable, match="the Swarm has no leader: no leader"):
        recovered(dockerd, monkeypatch, Loss("POST /swarm/init", INSTEAD, ALWAYS))


def test_a_swarm_with_other_settings_is_said_to_have_them(
    dockerd: lab.Dockerd, capsys: pytest.CaptureFixture[str]
) -> None:
    """This one was initialized by hand, in Docker's own address pool."""
    recover.check_swarm(Engine(dockerd.host))
    assert "10.0.0.0/8" in capsys.readouterr().out
