"""A command that an operator sends: its output, its end, and what stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from node import remote_command as program
from node.machine import Unusable
from swarmer.adapters import aws
from swarmer.core import remote_command, remote_output
from swarmer.core.configuration import Machine
from swarmer.core.remote_output import ERR, OUT, Chunk, End, Event
from swarmer.core.software import ROOT
from swarmer.providers.aws import commands
from tests.node.daemons.daemon import machine


class Log:
    """Log stream of a test."""

    def __init__(self, failures: int = 0) -> None:
        self.requests: list[list[str]] = []
        self.failures = failures
        """Number of requests that fail before one succeeds."""

    def put(self, messages: Sequence[str]) -> None:
        if self.failures:
            self.failures -= 1
            raise aws.Unavailable("Throttling")
        self.requests.append(list(messages))

    @property
    def events(self) -> list[Event]:
        return [remote_output.decode(each) for request in self.requests for each in request]

    def of(self, stream: str) -> bytes:
        return b"".join(it.data for it in self.events if isinstance(it, Chunk) and it.stream == stream)


def sh(text: str, log: Log, limit_s: float = 20) -> int:
    return program.run(["sh", "-c", text], limit_s=limit_s, put=log.put)


def test_both_streams_and_the_exit_status_are_written() -> None:
    log = Log()
    assert sh("printf a; printf b >&2; exit 3", log) == 3
    assert (log.of(OUT), log.of(ERR), log.events[-1]) == (b"a", b"b", End(len(log.events) - 1, 3))
    assert [it.number for it in log.events] == list(range(len(log.events)))


def test_a_silent_command_has_an_end_alone() -> None:
    log = Log()
    assert sh("true", log) == 0
    assert log.events == [End(0, 0)]


def test_ten_megabytes_arrive_whole() -> None:
    log = Log()
    assert sh("head -c 10000000 /dev/zero | tr '\\0' x", log) == 0
    assert log.of(OUT) == b"x" * 10_000_000
    assert len(log.requests) < 30, "a request holds up to a megabyte"


def test_output_is_sent_while_the_command_runs() -> None:
    log, times = Log(), list[float]()

    def put(messages: Sequence[str]) -> None:
        times.append(time.monotonic())
        log.put(messages)

    program.run(["sh", "-c", "echo a; sleep 1.5; echo b"], limit_s=20, put=put)
    assert log.of(OUT) == b"a\nb\n"
    assert len(times) >= 2
    assert times[-1] - times[0] > 0.5


def test_the_command_reads_nothing_and_knows_its_home() -> None:
    log = Log()
    assert sh("cat; pwd; echo ${HOME:?}", log) == 0
    assert log.of(OUT).startswith(b"/\n/")


def test_a_signal_that_ends_the_command_is_its_status() -> None:
    log = Log()
    assert sh("kill -KILL $$", log) == 128 + signal.SIGKILL
    assert log.events == [End(0, 137)]


@pytest.mark.parametrize(
    ("word", "status", "why"),
    [("/no/such/program", 127, "No such file or directory"), ("/etc/passwd", 126, "Permission denied")],
)
def test_a_command_that_cannot_start_is_told(word: str, status: int, why: str) -> None:
    log = Log()
    assert program.run([word], limit_s=5, put=log.put) == status
    assert log.events == [End(0, None, f"{word}: {why}")]


def test_the_status_for_which_the_agent_reboots_the_machine_stays_in_the_log() -> None:
    log = Log()
    assert sh("exit 194", log) == 1
    assert log.events == [End(0, 194)]


def test_a_process_that_is_left_behind_holds_nothing_up() -> None:
    log, begun_s = Log(), time.monotonic()
    assert sh("echo a; sleep 30 & echo $!", log) == 0
    assert time.monotonic() - begun_s < 10
    first, left = log.of(OUT).split()
    os.kill(int(left), signal.SIGKILL)
    assert first == b"a"


def test_output_that_cannot_be_sent_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "RETRY_S", 0.05)
    log = Log(failures=3)
    assert sh("echo a", log) == 0
    assert log.of(OUT) == b"a\n"
    assert log.failures == 0


# -- in a process of its own, because it kills its process group -----------------------------------------

ALONE = """
import sys
from node import remote_command as program
from swarmer.adapters import aws
from tests.node.daemons.daemon import machine

def put(messages):
    if len(sys.argv) > 3:
        raise aws.Unavailable("Throttling")
    print("\\n".join(messages), flush=True)

class Stream:
    def __init__(self, *names):
        pass
    def create(self):
        pass
    put = staticmethod(put)

program.LogStream = Stream
program.begin = lambda *_: None
program.read_machine = lambda: machine("10.0.0.4")
program.remote_command.MARGIN_S = 0
sys.exit(program.main(["0" * 32, sys.argv[1], program.remote_command.encode(["sh", "-c", sys.argv[2]])]))
"""


def alone(seconds: int, text: str, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", ALONE, str(seconds), text, *more],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def is_alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def gone(pid: int) -> bool:
    deadline_s = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    return not is_alive(pid)


def test_a_command_that_takes_too_long_ends_with_everything_it_started() -> None:
    ignores = "trap '' TERM; sleep 60 & echo $!; sleep 60"
    running = alone(2, ignores)
    output, errors = running.communicate(timeout=30)
    *chunks, end = (remote_output.decode(line) for line in output.splitlines())
    (child,) = (it for it in chunks if isinstance(it, Chunk))
    assert end == End(1, None, "it took longer than 2 s")
    assert gone(int(child.data))
    assert errors == ""


def test_the_agents_kill_of_the_group_ends_the_command() -> None:
    running = alone(60, "sleep 60 & echo $!; sleep 60")
    assert running.stdout
    first = remote_output.decode(running.stdout.readline())
    assert isinstance(first, Chunk)
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate(timeout=30)
    assert gone(int(first.data))


def test_output_that_is_refused_for_good_ends_the_command_with_one_line() -> None:
    running = alone(2, "echo a; sleep 60", "refused")
    output, errors = running.communicate(timeout=30)
    assert running.returncode == 1
    assert (output, errors) == ("", "the output cannot be written: Throttling\n")


# -- before the command starts ---------------------------------------------------------------------------


class Refusing:
    """Log stream that cannot be created."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def create(self) -> None:
        raise aws.Refused(f"AccessDenied: {' '.join(self.names)}")


@pytest.fixture
def on_node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = machine("10.0.0.4")
    monkeypatch.setattr(program, "read_machine", lambda: told)
    monkeypatch.setattr(program, "BEGUN", tmp_path / "begun")
    monkeypatch.setattr(os, "environ", dict(os.environ))


@pytest.mark.usefixtures("on_node")
def test_without_its_log_the_command_does_not_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(program, "LogStream", Refusing)
    encoded = remote_command.encode(["touch", str(tmp_path / "made")])
    assert program.main(["1" * 32, "60", encoded]) == 1
    said = capsys.readouterr().err
    cluster = machine("10.0.0.4").node.cluster
    assert said.startswith(f"AccessDenied: /swarmer/{cluster}/exec {'1' * 32}")
    assert said.count("\n") == 1
    assert not (tmp_path / "made").exists()


@pytest.mark.usefixtures("on_node")
def test_a_text_that_is_no_command_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "LogStream", Refusing)
    assert program.main(["1" * 32, "60", "aGk="]) == 1
    assert capsys.readouterr().err.startswith("the command is no list of words")


@pytest.mark.usefixtures("on_node")
def test_a_machine_that_is_no_node_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "read_machine", before_cloud_init)
    assert program.main(["1" * 32, "60", remote_command.encode(["true"])]) == 1
    assert capsys.readouterr().err == "no node.json\n"


# -- a command begins once -------------------------------------------------------------------------------


class Accepting(Log):
    """Log stream that takes everything."""

    def __init__(self, *names: str) -> None:
        super().__init__()

    def create(self) -> None:
        pass


def before_cloud_init() -> Machine:
    raise Unusable("no node.json")


@pytest.mark.usefixtures("on_node")
def test_an_agent_that_starts_anew_does_not_run_the_command_a_second_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(program, "LogStream", Accepting)
    made = tmp_path / "made"
    arguments = ["1" * 32, "60", remote_command.encode(["mkdir", str(made)])]
    assert program.main(arguments) == 0
    made.rmdir()
    monkeypatch.setattr(program, "read_machine", before_cloud_init)
    assert program.main(arguments) == 1
    said = capsys.readouterr().err
    assert said == "its node or agent restarted meanwhile, and it is not run twice\n"
    assert not made.exists()


@pytest.mark.usefixtures("on_node")
def test_the_same_words_are_run_again_in_another_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "LogStream", Accepting)
    for digit in "12":
        assert program.main([digit * 32, "60", remote_command.encode(["true"])]) == 0


def test_records_of_begun_commands_are_removed_after_a_week(tmp_path: Path) -> None:
    program.begin("1" * 32, tmp_path)
    program.begin("2" * 32, tmp_path)
    week_ago_s = time.time() - program.KEPT_S - 1
    os.utime(tmp_path / ("1" * 32), (week_ago_s, week_ago_s))
    program.begin("3" * 32, tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["2" * 32, "3" * 32]


def test_a_command_begins_although_the_disk_takes_no_record(tmp_path: Path) -> None:
    program.begin("1" * 32, tmp_path / "missing" / "folder")
    taken = tmp_path / "file"
    taken.touch()
    program.begin("1" * 32, taken)


def test_no_record_is_removed_while_its_command_may_run() -> None:
    assert commands.MOST_SECONDS < program.KEPT_S
