"""The registrator between a real dockerd and a real Consul: never lost, never stale."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rehearsal import machine
from swarmer.core import names as known
from swarmer.core.registration import MARKER, Service
from tests.node.conftest import ConsulServer
from tests.node.lab import ADDRESS, ENGINE_ADDRESS, IMAGE, SWARMER, Agent, Dockerd, engine, until


@pytest.fixture(scope="module")
def dockerd() -> Iterator[Dockerd]:
    with engine() as found:
        yield found


@pytest.fixture
def agent(dockerd: Dockerd, consul: ConsulServer, tmp_path: Path) -> Iterator[Agent]:
    """It has not started yet, and nothing runs."""
    dockerd.clear()
    found = Agent(dockerd.host, consul, tmp_path / "registrator.log")
    found.log.touch()
    yield found
    found.kill()


# -- one container ------------------------------------------------------------------------------


def test_a_container_is_declared_while_it_runs(agent: Agent, dockerd: Dockerd) -> None:
    agent.start()
    port = dockerd.run("web", "-e", "SERVICE_TAGS=a,b", "-l", "SERVICE_REGION=eu", "-e", "SERVICE_NAME=front")
    (found,) = until(agent.consul.client().services)
    assert (found.name, found.address, found.port) == ("front", ADDRESS, int(port))
    assert found.tags == ("a", "b")
    assert found.meta.items() >= {("region", "eu"), (MARKER, "n1")}
    dockerd.docker("stop", "-t", "0", "web")
    until(agent.has())


def test_a_restart_with_another_port_is_followed(agent: Agent, dockerd: Dockerd) -> None:
    agent.start()
    before = dockerd.run("web")
    until(agent.has(web=before))
    dockerd.docker("restart", "-t", "0", "web")
    assert dockerd.port("web") != before
    until(agent.has(web=dockerd.port("web")))


def test_a_new_name_is_followed_and_a_pause_changes_nothing(agent: Agent, dockerd: Dockerd) -> None:
    agent.start()
    port = dockerd.run("web")
    until(agent.has(web=port))
    dockerd.docker("rename", "web", "front")
    until(agent.has(front=port))
    dockerd.docker("pause", "front")
    time.sleep(0.3)
    assert agent.has(front=port)()


def test_an_unhealthy_container_leaves_dns_and_comes_back(agent: Agent, dockerd: Dockerd) -> None:
    agent.start()
    health = ("--health-cmd", "test -e /tmp/well", "--health-interval", "200ms", "--health-retries", "1")
    dockerd.run("web", *health, "-e", "SERVICE_NAME=web")
    until(agent.ports)
    until(lambda: agent.said("web at") and not agent.is_passing("web"))
    dockerd.docker("exec", "web", "touch", "/tmp/well")
    until(lambda: agent.is_passing("web"))
    dockerd.docker("exec", "web", "rm", "/tmp/well")
    until(lambda: not agent.is_passing("web"))
    agent.kill()
    dockerd.docker("exec", "web", "touch", "/tmp/well")
    until(lambda: dockerd.docker("inspect", "-f", "{{.State.Health.Status}}", "web") == "healthy")
    agent.start()
    until(lambda: agent.is_passing("web"))


def test_what_the_page_begins_with_is_what_happens(dockerd: Dockerd, tmp_path: Path) -> None:
    machine.ensure_packages(("dig", "bind9-dnsutils"))
    dockerd.clear()
    # Consul's check has to reach the container: all of them are where the engine is.
    here = ["nsenter", f"--net=/run/netns/{dockerd.network}"]
    env = {**os.environ, "DOCKER_HOST": dockerd.host, "PATH": f"{SWARMER.parent}:{os.environ['PATH']}"}
    options = ["-hostname", "n1", "-ip", ENGINE_ADDRESS]
    image = web_image(dockerd)
    commands = (
        [ConsulServer.binary(), "agent", "-dev", "-log-level", "err"],
        [str(SWARMER), "registrator", "run", *options, "consul://127.0.0.1:8500"],
    )
    with contextlib.ExitStack() as stack, (tmp_path / "log").open("wb") as log:
        for argv in commands:
            process = subprocess.Popen([*here, *argv], env=env, stdout=log, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.kill)

        def answer() -> str:
            argv = ["dig", "@127.0.0.1", "-p", "8600", "blue.web.service.consul", "SRV", "+short"]
            return subprocess.run([*here, *argv], capture_output=True, text=True, check=False).stdout

        container = dockerd.docker(
            *("run", "-d", "-p", "80", "-e", "SERVICE_NAME=web", "-e", "SERVICE_TAGS=blue,v2"),
            *("-l", "SERVICE_CHECK_HTTP=/health", image),
        )
        until(lambda: "registrator: web " in (tmp_path / "log").read_text(), 30)
        port = dockerd.port(container)
        assert f" {port} " not in answer()
        dockerd.docker("exec", container, "/bin/touch", "/tmp/health")
        # The check comes every 10 s, where nobody says otherwise.
        until(lambda: f" {port} " in answer(), 40)
        plan = subprocess.run(
            ["bash", "-c", "docker inspect $(docker ps -q) | swarmer registrator plan"],
            env=env,
            capture_output=True,
            check=True,
        )
        ((found,),) = json.loads(plan.stdout)
        assert (found["name"], found["port"]) == ("web", int(port))


def web_image(dockerd: Dockerd) -> str:
    """It answers what lies in /tmp."""
    maker = dockerd.docker("run", "-d", IMAGE, "/bin/sleep", "3600")
    serve = 'CMD ["/bin/busybox", "httpd", "-f", "-h", "/tmp"]'
    image = dockerd.docker("commit", "-c", serve, maker)
    dockerd.docker("rm", "-f", maker)
    return image


def test_a_check_that_the_agent_refuses_costs_only_itself(agent: Agent, dockerd: Dockerd) -> None:
    agent.start("-resync", "1")
    port = dockerd.run("web", "-e", "SERVICE_CHECK_SCRIPT=true", "-e", "SERVICE_a.b=c")
    until(agent.has(web=port))
    until(lambda: agent.said("declared without its check"))
    time.sleep(2.5)
    assert agent.log.read_text().count("declared without its check") == 1
    assert agent.log.read_text().count("SERVICE_A.B") == 1


def test_a_script_that_ends_well_makes_its_service_pass_where_the_agent_allows_scripts(
    agent: Agent, dockerd: Dockerd, tmp_path: Path
) -> None:
    agent.consul.stop()
    agent.consul.settings["enable_script_checks"] = True
    agent.consul.start()
    agent.start()
    # Two commands, of which a shell alone makes something.
    script = f"test $SERVICE_IP = {ADDRESS} && test -e {tmp_path}/well-$SERVICE_PORT"
    keys = ("-e", f"SERVICE_CHECK_SCRIPT={script}", "-e", "SERVICE_CHECK_INTERVAL=1s")
    port = dockerd.run("web", *keys, "-e", "SERVICE_NAME=web")
    until(agent.has(web=port))
    until(lambda: agent.consul.client().ailing("web"))
    assert not agent.is_passing("web")
    (tmp_path / f"well-{port}").touch()
    until(lambda: agent.is_passing("web"))
    (tmp_path / f"well-{port}").unlink()
    until(lambda: not agent.is_passing("web"))
    assert not agent.said("declared without its check")


def test_two_containers_with_one_id_are_the_one_that_started_last(agent: Agent, dockerd: Dockerd) -> None:
    agent.start()
    first = dockerd.run("first", "-e", "SERVICE_ID=one")
    until(lambda: agent.ports() == {"one": first})
    second = dockerd.run("second", "-e", "SERVICE_ID=one")
    until(lambda: agent.ports() == {"one": second})
    dockerd.docker("kill", "second")
    until(lambda: agent.ports() == {"one": first})


def test_who_shares_a_network_has_its_address(agent: Agent, dockerd: Dockerd) -> None:
    agent.start()
    dockerd.docker("run", "-d", "--name", "pod", IMAGE, "/bin/sleep", "3600")
    exposing = dockerd.docker("commit", "-c", "EXPOSE 80", "pod")
    dockerd.docker("run", "-d", "--network", "container:pod", exposing, "/bin/sleep", "3600")
    (found,) = until(agent.consul.client().services)
    assert found.address == dockerd.docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", "pod")


def test_an_images_id_is_called_like_the_image(agent: Agent, dockerd: Dockerd) -> None:
    agent.start()
    image = dockerd.docker("inspect", "-f", "{{.Id}}", IMAGE)
    dockerd.docker("run", "-d", "-p", "80", image, "/bin/sleep", "3600")
    (found,) = until(agent.consul.client().services)
    assert found.name == "tiny"


def test_what_failed_stays_until_it_is_removed_if_asked_for(agent: Agent, dockerd: Dockerd) -> None:
    agent.start("-deregister", "on-success", "-resync", "1")
    for name, status in (("bad", 3), ("good", 0)):
        script = f"until test -e /tmp/end; do sleep 0.1; done; exit {status}"
        dockerd.docker("run", "-d", "--name", name, "-p", "80", IMAGE, "/bin/sh", "-c", script)
    until(lambda: set(agent.ports()) == {"n1:bad:80", "n1:good:80"})
    for name in ("bad", "good"):
        dockerd.docker("exec", name, "touch", "/tmp/end")
    until(lambda: set(agent.ports()) == {"n1:bad:80"})
    time.sleep(2)
    agent.kill()
    agent.start("-deregister", "on-success")
    time.sleep(1)
    assert set(agent.ports()) == {"n1:bad:80"}
    dockerd.docker("rm", "bad")
    until(agent.has())


# -- whatever ends, and comes back ----------------------------------------------------------------


def test_after_kill_9_the_first_comparison_makes_the_catalogue_right(agent: Agent, dockerd: Dockerd) -> None:
    agent.start()
    for name in ("kept", "gone"):
        dockerd.run(name)
    until(lambda: len(agent.ports()) == 2)
    kept = agent.ports()["n1:kept:80"]
    agent.kill()
    dockerd.docker("rm", "-f", "gone")
    fresh = dockerd.run("fresh")
    # No second comparison comes in time to mend it; how long the first takes, `make bench-registrator` says.
    agent.start("-resync", "3600")
    until(agent.has(kept=kept, fresh=fresh))


def test_a_stopped_dockerd_takes_its_containers_along_and_brings_some_back(
    agent: Agent, dockerd: Dockerd
) -> None:
    agent.start()
    dockerd.run("once")
    before = dockerd.run("again", "--restart", "always")
    until(lambda: len(agent.ports()) == 2)
    dockerd.stop()
    until(lambda: agent.said("waits for Docker"))
    dockerd.start()
    until(lambda: dockerd.docker("port", "again", check=False))
    until(agent.has(again=dockerd.port("again")))
    assert dockerd.port("again") != before


def test_a_killed_dockerd_is_followed_when_it_is_back(agent: Agent, dockerd: Dockerd) -> None:
    agent.start()
    dockerd.run("again", "--restart", "always")
    until(agent.ports)
    dockerd.stop(kill=True)
    until(lambda: agent.said("waits for Docker"))
    assert agent.ports()  # nobody knows better
    dockerd.start()
    until(lambda: dockerd.docker("port", "again", check=False))
    fresh = dockerd.run("fresh")
    until(agent.has(again=dockerd.port("again"), fresh=fresh))


def test_a_consul_that_forgot_everything_is_told_again(agent: Agent, dockerd: Dockerd) -> None:
    agent.start()
    port = dockerd.run("web")
    until(agent.has(web=port))
    agent.consul.stop()
    shutil.rmtree(agent.consul.folder / "data")
    agent.consul.start()
    until(agent.has(web=port))


def test_what_happened_while_consul_was_away_is_caught_up(agent: Agent, dockerd: Dockerd) -> None:
    agent.start()
    port = dockerd.run("old")
    until(agent.has(old=port))
    agent.consul.stop()
    dockerd.docker("rm", "-f", "old")
    fresh = dockerd.run("fresh")
    until(lambda: agent.said("waits for Consul"))
    agent.consul.start()
    until(agent.has(fresh=fresh))


def test_consul_may_come_after_the_registrator(agent: Agent, dockerd: Dockerd) -> None:
    agent.consul.stop()
    port = dockerd.run("web")
    agent.start()
    until(lambda: agent.said("waits for Consul"))
    agent.consul.start()
    until(agent.has(web=port))


def test_a_host_that_changed_its_name_leaves_nothing_under_the_old_one(
    agent: Agent, dockerd: Dockerd
) -> None:
    agent.start("-hostname", "before")
    port = dockerd.run("web")
    until(lambda: agent.ports() == {"before:web:80": port})
    agent.kill()
    agent.start()
    until(agent.has(web=port))


def test_what_somebody_removed_is_declared_again(agent: Agent, dockerd: Dockerd) -> None:
    agent.start("-resync", "1")
    port = dockerd.run("web")
    until(agent.has(web=port))
    agent.consul.client().deregister("n1:web:80")
    until(agent.has(web=port))


def test_entries_without_its_marker_are_nobodys_business(agent: Agent, dockerd: Dockerd) -> None:
    client = agent.consul.client()
    for key, meta in (("n1:old:80", {}), ("n2:web:80", {MARKER: "n2"}), ("registry", {"k": "v"})):
        client.register(Service(id=key, name="x", address=ADDRESS, port=1, meta=meta))
    agent.start("-cleanup", "-resync", "1")
    dockerd.run("web")
    until(lambda: "n1:web:80" in agent.ports())
    dockerd.docker("rm", "-f", "web")
    until(lambda: "n1:web:80" not in agent.ports())
    assert set(agent.ports()) == {"n1:old:80", "n2:web:80", "registry"}


def test_where_nothing_changes_nothing_is_written(agent: Agent, dockerd: Dockerd) -> None:
    agent.start("-resync", "1")
    health = ("--health-cmd", "true", "--health-interval", "1h", "-e", "SERVICE_CHECK_TTL=1h")
    dockerd.run("web", *health)
    until(agent.ports)
    time.sleep(1.5)
    before = agent.log.read_text()
    index = agent.consul.client()._api.catalog.services()[0]
    time.sleep(3)
    assert agent.consul.client()._api.catalog.services()[0] == index
    assert agent.log.read_text() == before


# -- events that are lost -------------------------------------------------------------------------


class Ear:
    """A door to dockerd through which no event comes while it is deaf."""

    def __init__(self, path: str, engine: str) -> None:
        self.is_deaf = False
        self._engine = engine
        self._sockets = [socket.socket(socket.AF_UNIX)]
        self._sockets[0].bind(path)
        self._sockets[0].listen()
        self._threads: list[threading.Thread] = []
        self._run(self._serve)

    def close(self) -> None:
        """Whoever came through is cut off, nobody comes anymore."""
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for each in self._sockets:
            each.close()

    def _run(self, target: Callable[..., None], *arguments: object) -> None:
        self._threads.append(threading.Thread(target=target, args=arguments, daemon=True))
        self._threads[-1].start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._sockets[0].accept()
                upstream = socket.socket(socket.AF_UNIX)
                self._sockets += [client, upstream]
                upstream.connect(self._engine)
                first = client.recv(65536)
                upstream.sendall(first)
                self._run(self._pump, client, upstream, False)
                self._run(self._pump, upstream, client, b"/events" in first)

    def _pump(self, source: socket.socket, sink: socket.socket, is_events: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not (is_events and self.is_deaf):
                    sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)


def test_what_no_event_told_is_seen_by_the_next_comparison(
    agent: Agent, dockerd: Dockerd, request: pytest.FixtureRequest
) -> None:
    ear = Ear(f"{dockerd.folder}/ear.sock", f"{dockerd.folder}/docker.sock")
    request.addfinalizer(ear.close)
    agent.docker_host = f"unix://{dockerd.folder}/ear.sock"
    agent.start("-resync", "1")
    port = dockerd.run("heard")
    until(agent.has(heard=port))
    ear.is_deaf = True
    dockerd.docker("rm", "-f", "heard")
    port = dockerd.run("unheard")
    until(agent.has(unheard=port))
    dockerd.docker("restart", "-t", "0", "unheard")
    until(agent.has(unheard=dockerd.port("unheard")))
    ear.close()
    until(lambda: agent.said("waits for Docker"))


# -- a burst ------------------------------------------------------------------------------------


def test_of_a_burst_nothing_is_missing_twice_or_stale(agent: Agent, dockerd: Dockerd) -> None:
    agent.start()
    names = [f"b{number}" for number in range(8)]
    argv = ["docker", "-H", dockerd.host]
    tail = ["-p", "80", IMAGE, "/bin/sleep", "3600"]
    started = [
        subprocess.Popen([*argv, "run", "-d", "--name", name, *tail], stdout=subprocess.DEVNULL)
        for name in names
    ]
    assert [each.wait() for each in started] == [0] * len(names)
    until(agent.has(**{name: dockerd.port(name) for name in names}))
    removed = [subprocess.Popen([*argv, "rm", "-f", name], stdout=subprocess.DEVNULL) for name in names]
    assert [each.wait() for each in removed] == [0] * len(names)
    until(agent.has())


# -- Swarm ------------------------------------------------------------------------------------


def test_what_swarm_publishes_is_declared_by_who_answers(agent: Agent, dockerd: Dockerd) -> None:
    agent.start("-resync", "1")
    dockerd.docker("swarm", "init", "--advertise-addr", ENGINE_ADDRESS)
    try:
        command = (IMAGE, "/bin/sleep", "3600")
        dockerd.docker("service", "create", "-qd", "--name", "web", "-p", "8080:80", *command)
        until(lambda: agent.ports() == {"n1:mesh.web:80": "8080"}, 30)
        # What says it is written again, when somebody takes it away.
        agent.consul.client().delete(known.KV_SWARM_MESH)
        until(lambda: agent.consul.client().get(known.KV_SWARM_MESH) is not None, 10)
        until(lambda: agent.ports() == {"n1:mesh.web:80": "8080"}, 10)
        host = ("--publish", "mode=host,target=80", "--replicas", "2")
        dockerd.docker("service", "create", "-qd", "--name", "task", *host, *command)
        until(lambda: len(agent.ports()) == 3, 30)
        tasks = [each for each in agent.consul.client().services() if each.name == "tiny"]
        assert {each.meta["swarm-slot"] for each in tasks} == {"1", "2"}
        assert all({"service-task", "node-n1"} <= set(each.tags) for each in tasks)
        dockerd.docker("service", "update", "-qd", "--publish-rm", "80", "web")
        dockerd.docker("service", "rm", "task")
        until(agent.has(), 30)
    finally:
        dockerd.docker("swarm", "leave", "--force")
