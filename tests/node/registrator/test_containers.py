"""The registrator between a real dockerd and a real Consul: one container, and a burst of them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from pathlib import Path

from swarmer.core.registration import MARKER
from swarmer.local import host
from tests.node.conftest import ConsulServer
from tests.node.lab import ADDRESS, ENGINE_ADDRESS, IMAGE, SWARMER, Agent, Dockerd, until

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
    host.ensure_packages(("dig", "bind9-dnsutils"))
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
    """Image of a server for the files in /tmp."""
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
    until(lambda: agent.consul.client().unhealthy("web"))
    assert not agent.is_passing("web")
    (tmp_path / f"well-{port}").touch()
    # A Consul that has just started may fail to sync, and tries again after 15 s (agent/ae/ae.go).
    until(lambda: agent.is_passing("web"), 40)
    (tmp_path / f"well-{port}").unlink()
    until(lambda: not agent.is_passing("web"), 40)
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
