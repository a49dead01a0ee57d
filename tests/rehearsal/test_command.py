"""Messages about bad input and unfit machines: one clear line each, and no change."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from swarmer.cli import describe, place, rehearsal
from swarmer.cli.main import main
from swarmer.core import description
from swarmer.core.cluster import Cluster
from swarmer.core.errors import NodeUnreachable, UserError
from swarmer.core.health import Expected
from swarmer.local import aws_daemon, environment, host
from swarmer.local.environment import Environment
from swarmer.provider import Write
from swarmer.providers.rehearsal import down
from tests.rehearsal.conftest import swarmer


def lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()


@pytest.mark.parametrize("verb", ["validate", "up"])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("groups: [", "YAML"),
        ("nmae: lab\ngroups: {}\n", "name"),
        ("groups:\n  core: {roles: [consul-server], size: 2}\n", "1, 3, 5 or 7"),
    ],
    ids=["empty", "broken", "a misspelt key", "an even number of servers"],
)
def test_a_wrong_description_is_refused_before_anything_is_touched(
    verb: str, text: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "servers.yml"
    path.write_text(text)
    done = swarmer(verb, "-f", str(path))
    assert done.returncode == 2
    assert said in done.stderr
    assert all(line.startswith(str(path)) for line in lines(done))


def test_a_description_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = swarmer("up", "-f", str(tmp_path / "none.yml"))
    assert done.returncode == 2
    assert len(lines(done)) == 1
    assert "none.yml" in done.stderr


def test_the_shipped_description_is_valid() -> None:
    done = swarmer("validate")
    assert done.returncode == 0, done.stderr
    assert "core (3), workers (2)" in done.stdout


def test_a_docker_that_does_not_answer_is_named(small: Path, tmp_path: Path) -> None:
    done = swarmer("up", "-f", str(small), env={"SWARMER_DOCKER_HOST": f"unix://{tmp_path}/none.sock"})
    assert done.returncode == 2
    assert any(f"Docker does not answer at unix://{tmp_path}/none.sock" in line for line in lines(done))


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def test_a_port_that_is_taken_is_named_and_another_one_offered(small: Path, taken_port: int) -> None:
    done = swarmer("up", "-f", str(small), "--aws-port", str(taken_port))
    assert done.returncode == 2
    assert f"port {taken_port} on 127.0.0.1 is taken" in done.stderr
    assert "--aws-port" in done.stderr
    assert not (environment.STATE / "clusters/small").exists()


def test_a_port_that_nobody_asked_for_gives_way_to_the_next_free_one(small: Path, taken_port: int) -> None:
    told = Environment(cluster=description.load(small), servers=small, aws_port=taken_port)
    found = aws_daemon.with_free_port(told)
    assert taken_port < found.aws_port < taken_port + aws_daemon.PORTS
    assert aws_daemon.with_free_port(found) == found
    with pytest.raises(UserError, match=f"swarmer up --aws-port {found.aws_port}"):
        aws_daemon.with_free_port(replace(told, is_port_named=True))


@pytest.mark.parametrize(
    "verb",
    [
        *(
            "status",
            "status --watch",
            "logs x",
            "kill x",
            "exec x -- true",
            "terminate x",
            "scale x 1",
            "events",
        ),
        *("reboot x", "reboot --all", "recover", "handover", "bucket"),
    ],
)
def test_without_a_rehearsal_the_next_command_is_named(verb: str, small: Path) -> None:
    word, *rest = verb.split()
    done = swarmer(word, "-f", str(small), *rest)
    assert done.returncode in (1, 2)
    assert "make up" in done.stderr or "no node is called" in done.stderr
    assert len(lines(done)) == 1


def test_the_command_ignores_where_people_point_docker(small: Path) -> None:
    """DOCKER_HOST is the cluster's, by the README's own advice: the rehearsal must not act on it.

    `down` of one description: that of all ends the engine too, which other tests use meanwhile.
    """
    host.ensure_engine()
    done = swarmer("down", "-f", str(small), env={"DOCKER_HOST": "tcp://203.0.113.1:4000"}, timeout_s=20)
    assert done.returncode == 0, done.stderr


def test_an_empty_name_of_a_description_does_not_mean_every_rehearsal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`swarmer down -f "$UNSET"`."""
    removed: list[str] = []
    monkeypatch.setattr(down, "remove_all", lambda: removed)
    done = CliRunner().invoke(main, ["down", "-f", ""])
    assert done.exit_code == 2
    assert "name a file like servers.yml" in done.output


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("up", "--aws-port", "65536"), "1<=x<=65535"),
        (("up", "--aws-port", "0"), "1<=x<=65535"),
        (("logs", "core", "-n", "-1"), "x>=0"),
        (("events", "-n", "-1"), "x>=0"),
    ],
    ids=["up to 65535", "from 1", "lines of a journal", "events"],
)
def test_a_number_that_cannot_be_is_refused(argv: tuple[str, ...], said: str, small: Path) -> None:
    done = swarmer(*argv, "-f", str(small))
    assert done.returncode == 2
    assert said in lines(done)[-1]


def test_a_page_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_bytes(b"\xff")
    done = swarmer("reference", str(tmp_path / "page.md"))
    assert done.returncode == 2
    assert lines(done) == [
        f"swarmer: {tmp_path}/page.md: not UTF-8; name a page of text, like docs/reference/servers.md"
    ]


@dataclass
class Somewhere:
    """Part of a provider for commands on one node."""

    cluster: Cluster
    is_silent: bool = False
    ran: list[list[str]] = field(default_factory=list)

    def nodes(self) -> list[Expected]:
        return [
            Expected(name="core-i-1", instance_id="i-1", group="all", roles=(), address="10.44.0.9", zone="")
        ]

    def run(self, node: Expected, argv: Sequence[str], *, timeout_s: float, write: Write) -> int:
        if self.is_silent:
            raise NodeUnreachable(f"{node.name}: silent")
        self.ran.append([node.name, *argv])
        write("out", b"words\n")
        write("err", b"other words\n")
        return 7

    def console(self, node: Expected) -> str:
        return "first\nsecond\nthird\n"


@pytest.mark.parametrize(
    ("typed", "run"),
    [
        ("core -- docker ps", "docker ps"),
        ("core docker ps", "docker ps"),
        ("core tail -f /var/log/x", "tail -f /var/log/x"),
        ("core docker run -h", "docker run -h"),
        ("core -- sh -c -- true", "sh -c -- true"),
        ("core", None),
        ("core --", None),
        ("core -f second.yml -- true", None),
    ],
    ids=lambda words: words,
)
def test_what_stands_behind_the_node_is_the_command(
    typed: str, run: str | None, monkeypatch: pytest.MonkeyPatch, small: Path
) -> None:
    somewhere = Somewhere(description.load(small))
    monkeypatch.setattr(place, "find", lambda *_: somewhere)
    done = CliRunner().invoke(main, ["exec", "-f", str(small), *typed.split()])
    if run is None:
        assert (done.exit_code, somewhere.ran) == (2, [])
    else:
        assert (done.exit_code, somewhere.ran) == (7, [["core-i-1", *run.split()]])
        assert (done.stdout, done.stderr) == ("words\n", "other words\n")


def test_the_console_is_shown_of_a_node_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, small: Path
) -> None:
    somewhere = Somewhere(description.load(small), is_silent=True)
    monkeypatch.setattr(place, "find", lambda *_: somewhere)
    for node in ("core", "gone-i-9"):
        done = CliRunner().invoke(main, ["logs", "-f", str(small), node, "-n", "2"])
        assert done.exit_code == 0
        assert done.stdout == "second\nthird\n"
        assert done.stderr.startswith("core-i-1: silent" if node == "core" else "gone-i-9: silent")
    assert CliRunner().invoke(main, ["logs", "-f", str(small), "gone"]).exit_code == 2


def test_a_full_disk_is_one_line(small: Path) -> None:
    with Path("/dev/full").open("w") as full:
        argv = [str(environment.ROOT / ".venv/bin/swarmer"), "machines", "-f", str(small)]
        done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert lines(done) == ["swarmer: standard output: No space left on device"]


def test_a_file_that_one_may_not_write_is_one_line(monkeypatch: pytest.MonkeyPatch, small: Path) -> None:
    """The state below .swarmer may belong to another user, or root, who worked in the checkout before."""

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "/x/.swarmer/clusters/small")

    monkeypatch.setattr(down, "remove", refuse)
    done = CliRunner().invoke(main, ["down", "-f", str(small)])
    assert done.exit_code == 1
    assert done.output == "swarmer: /x/.swarmer/clusters/small: Permission denied\n"


@pytest.mark.parametrize(("verb", "left"), [("up", "; `make down` removes what is left"), ("validate", "")])
def test_ctrl_c_speaks_of_what_is_left_only_where_something_is(
    verb: str, left: str, monkeypatch: pytest.MonkeyPatch, small: Path
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    for part in (rehearsal, describe):
        monkeypatch.setattr(part, "load", interrupt)
    done = CliRunner().invoke(main, [verb, "-f", str(small)])
    assert done.exit_code == 130
    assert done.output == f"swarmer: interrupted{left}\n"


def test_an_unknown_verb_is_refused() -> None:
    done = swarmer("upp")
    assert done.returncode == 2
    assert "No such command 'upp'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("port", ["x", "0", "65536", "-1"])
def test_a_port_that_is_none_is_one_line(port: str, small: Path) -> None:
    done = swarmer("status", "-f", str(small), env={"SWARMER_AWS_PORT": port})
    assert done.returncode == 2
    assert lines(done) == [f"swarmer: SWARMER_AWS_PORT: {port!r} is no port; take a number from 1 to 65535"]
