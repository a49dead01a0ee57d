"""README and docs/: every command is typed, page by page, as a reader would, with a running cluster."""

from __future__ import annotations

import os
import re
import subprocess
from itertools import groupby
from pathlib import Path

import pytest

from swarmer.local import engine, environment, host, node_image
from tests.daily.conftest import Lab, Machine, wait_for
from tests.docs import pages, typed
from tests.docs.pages import Block
from tests.rehearsal.conftest import swarmer, until

WATCHED_S = 12
"""Time for which a command runs that only Ctrl-C ends, in seconds."""
ENDED = "case $? in 0 | 124 | 130) ;; *) exit 1 ;; esac"
"""0: it took Ctrl-C well; 124: what `timeout` says; 130: what a shell says."""
LOOK = re.compile(r"(\.venv/bin/)?swarmer status")
AGAIN = """again() {
    tries=0
    until "$@"; do tries=$((tries + 1)); [ $tries -lt 20 ] || return 1; sleep 2; done
}"""
"""Number of attempts: on a busy machine an observation may miss a late answer, and a reader repeats it."""
PREPARED = "after ./setup.sh"
KEPT = """\
name: kept
network: {cidr: 10.46.0.0/16, zones: 1}
groups:
  all: {roles: [consul-server, swarm-manager, swarm-worker], size: 1}
"""


def of(page: Path, *kinds: str) -> list[Block]:
    return [block for block in pages.blocks(page) if block.how in kinds]


WITH_CLUSTER = [page for page in pages.pages() if of(page, pages.CLUSTER)]
ON_A_MACHINE = [page for page in pages.pages() if of(page, PREPARED)]


@pytest.fixture(scope="session")
def tools() -> None:
    """Tools of a reader."""
    host.ensure_packages(("dig", "bind9-dnsutils"), ("curl", "curl"))


def readers() -> dict[str, str]:
    """A reader's environment; the first lines of docs/guides/daily-use.md put the command on PATH."""
    kept = {key: value for key, value in os.environ.items() if key not in ("DOCKER_HOST", "DOCKER_CONTEXT")}
    return kept | {"PATH": f"{environment.ROOT}/.venv/bin{os.pathsep}{os.environ['PATH']}"}


def session(blocks: list[Block]) -> str:
    """One shell for all blocks: what one sets, the next one has. Says where it is."""
    script = ["set -e", AGAIN]
    for block in blocks:
        script.append(f"echo '@ {block.place}'")
        if block.how == "until Ctrl-C":
            lines = [f"timeout -s INT {WATCHED_S} {line} || {ENDED}" for line in block.text.splitlines()]
        else:
            lines = [f"again {line}" if LOOK.match(line) else line for line in block.text.splitlines()]
        script += lines
    return "\n".join(script)


@pytest.mark.parametrize("page", WITH_CLUSTER, ids=pages.name_of)
def test_every_command_of_the_page_does_what_it_says(lab: Lab, tools: None, page: Path) -> None:
    until(lambda: swarmer("status").returncode == 0, within_s=240, what="the page before left a mess")
    script = session(of(page, pages.CLUSTER, "until Ctrl-C"))
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=environment.ROOT,
        env=readers(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]


def test_what_needs_names_works_on_a_machine_that_setup_prepared(lab: Lab, person: Machine) -> None:
    person.run("echo nameserver 127.0.0.53 > /etc/resolv.conf; systemctl restart systemd-resolved")
    person.run(f"/swarmer/setup.sh -f /swarmer/{lab.servers.name} {' '.join(lab.addresses)}")
    wait_for(person, "getent hosts swarm-4000.service.swarmer")
    blocks = [block for page in ON_A_MACHINE for block in of(page, PREPARED)]
    for _, each in groupby(blocks, key=lambda block: block.page):
        person.run(session(list(each)))
    for address in managers(lab):
        lend(node_image.PROBE_IMAGE, address, "alpine")
    at_a_terminal = f"echo exit | script -qefc '{only_line('docker run --rm -it alpine')}' /dev/null"
    person.run(f"export DOCKER_HOST=swarm-4000.service.swarmer:4000; {at_a_terminal}")
    person.run("/swarmer/setup.sh --undo")


def only_line(words: str) -> str:
    """The line of all pages' blocks that begins so."""
    lines = [
        line for page in pages.pages() for block in pages.blocks(page) for line in block.text.splitlines()
    ]
    (found,) = [line for line in lines if line.startswith(words)]
    return found


def lend(image: str, address: str, name: str) -> None:
    """Have a manager's engine know an image of this machine's, by that name: no Docker Hub is needed."""
    saved = subprocess.run(
        ["docker", "save", image], env=engine.docker_environment(), capture_output=True, check=True
    )
    manager = ["docker", "-H", f"tcp://{address}:4000"]
    subprocess.run([*manager, "load", "-q"], input=saved.stdout, check=True)
    subprocess.run([*manager, "tag", image, name], check=True)


def managers(lab: Lab) -> list[str]:
    return [node["address"] for node in lab.status()["nodes"] if "swarm-manager" in node["roles"]]


@pytest.mark.parametrize("command", typed.WITH_CLUSTER)
def test_a_command_in_a_sentence_does_what_it_says(lab: Lab, tools: None, command: str) -> None:
    line = command.replace("NODE", managers(lab)[0]).replace("ADDRESS", managers(lab)[0])
    done = subprocess.run(
        ["bash", "-ec", line], cwd=environment.ROOT, env=readers(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_a_cluster_that_did_not_come_up_is_kept_where_that_is_asked_for(
    broken_image: str, tmp_path: Path
) -> None:
    path = tmp_path / "servers.yml"
    path.write_text(KEPT)
    try:
        up = swarmer("up", "--retain", "-f", str(path), "--aws-port", "4578", "--node-image", broken_image)
        assert (up.returncode, "cannot boot" in up.stderr) == (1, True)
        logs = swarmer("logs", "all-i-", "-f", str(path))
        assert "/usr/local/bin/consul" in logs.stdout
    finally:
        swarmer("down", "-f", str(path))
