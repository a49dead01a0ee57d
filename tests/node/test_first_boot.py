"""First boot of a stock image: the rendered script itself, run by dash among commands that take notes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from swarmer.core import names, user_data
from swarmer.core.user_data import AnySoftware, CarriedSoftware, DownloadedSoftware, Software
from tests.node.daemons.daemon import machine as machine_of_tests

NODE = machine_of_tests("10.42.0.4").node
ON_AWS = Software(
    bucket="assets",
    key="swarmer/lab/software.zip",
    packages="swarmer/lab/packages.zip",
    region="eu-west-1",
    url_suffix="amazonaws.com",
    digest="d1",
)
NOTE_TAKER = (
    f"#!{os.path.realpath(sys.executable)} -IS\n"
    + """
import os, sys
name, *arguments = call = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
with open(os.environ["NOTES"], "a+") as notes:
    notes.write(" ".join(call) + "\\n")
    notes.seek(0)
    noted = notes.read().splitlines()
for words, statuses in eval(os.environ["PLAN"]).items():
    if words in noted[-1]:
        seen = sum(words in line for line in noted)
        if status := statuses[min(seen, len(statuses)) - 1]:
            sys.exit(status)
if name == "python3" and arguments[:2] == ["-m", "venv"]:
    os.makedirs(arguments[2] + "/bin", exist_ok=True)
    with open(arguments[2] + "/bin/python", "w") as python:
        python.write('#!/bin/sh\\necho "venv-python $*" >> "$NOTES"\\nexec "$REAL_PYTHON" "$@"\\n')
    os.chmod(python.name, 0o755)
if name == "python3" and arguments[0] == "-c":
    os.link(os.environ["AGENT"], arguments[-1])
if name == "aws":
    import zipfile
    with zipfile.ZipFile(arguments[-1], "w") as archive:
        archive.writestr("node/install.sh", 'install-sh "$1" "$SWARMER_WHEELS"\\n')
if name == "dpkg" and arguments == ["--print-architecture"]:
    print("amd64")
"""
)
"""Program behind every command of the script. PLAN: exit status of each call that contains a text."""
COMMANDS = ("apt-get", "aws", "dpkg", "install-sh", "python3", "shutdown", "sleep", "systemctl")


@dataclass
class Boot:
    """Outcome of one run of the script."""

    status: int
    console: str
    calls: list[str] = field(default_factory=list)

    def of(self, words: str) -> list[str]:
        return [call for call in self.calls if words in call]


class Machine:
    """Stock machine in a folder."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        monkeypatch.setattr(names, "INSTALL_ROOT", str(folder / "opt"))
        monkeypatch.setattr(names, "SOFTWARE_DIGEST", str(folder / "opt/digest"))
        (folder / "bin").mkdir()
        for name in COMMANDS:
            (folder / "bin" / name).write_text(NOTE_TAKER)
            (folder / "bin" / name).chmod(0o755)
        (folder / "agent.deb").write_bytes(b"the agent")

    def boot(
        self,
        software: AnySoftware = ON_AWS,
        plan: Mapping[str, list[int]] | None = None,
        *,
        agent: bool = True,
    ) -> Boot:
        """Run the script once. `agent`: whether the pinned agent is what its URL has."""
        for name in ("notes", "console"):
            (self.folder / name).write_text("")
        done = subprocess.run(
            ["dash", "-c", self._script(software, agent=agent)],
            env={
                "PATH": f"{self.folder}/bin:/usr/bin:/bin",
                "NOTES": str(self.folder / "notes"),
                "PLAN": repr(dict(plan or {})),
                "AGENT": str(self.folder / "agent.deb"),
                "REAL_PYTHON": os.path.realpath(sys.executable),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert "not found" not in done.stderr, done.stderr
        calls = (self.folder / "notes").read_text().splitlines()
        return Boot(done.returncode, (self.folder / "console").read_text(), calls)

    def _script(self, software: AnySoftware, *, agent: bool) -> str:
        (script,) = yaml.safe_load(user_data.render(NODE, software))["runcmd"]
        text = script.replace("/dev/console", str(self.folder / "console")).replace(
            "/run/", f"{self.folder}/"
        )
        if agent:
            pinned = hashlib.sha256((self.folder / "agent.deb").read_bytes()).hexdigest()
            text = text.replace("777df4e0ac4bbc8d7d1b159db76cdb6614666bcc73141874414b8be68fb9cba3", pinned)
        return str(text)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_a_stock_image_is_installed_and_the_way_in_comes_first(machine: Machine) -> None:
    done = machine.boot()
    assert (done.status, done.console) == (0, "")
    steps = [
        "python3 -c",
        "amazon-ssm-agent.deb",
        "update",
        "install --no-install-recommends python3-venv",
        "install --no-install-recommends awscli",
        "s3://assets/swarmer/lab/packages.zip",
        "s3://assets/swarmer/lab/software.zip",
        "install-sh d1",
        f"systemctl enable -q {names.TARGET}",
        f"systemctl start --no-block {names.TARGET}",
    ]
    places = [next(i for i, call in enumerate(done.calls) if step in call) for step in steps]
    assert places == sorted(places), done.calls
    (agent,) = done.of("python3 -c")
    assert "https://s3.eu-west-1.amazonaws.com/amazon-ssm-eu-west-1/3.3." in agent
    assert not done.of("shutdown") and not done.of("sleep")


def test_no_python_package_comes_from_an_index(machine: Machine) -> None:
    done = machine.boot()
    assert not done.of("pip")
    (installed,) = done.of("install-sh")
    wheels = Path(installed.split()[-1])
    assert wheels.is_dir() and list(wheels.iterdir())


def test_an_image_that_carries_the_software_installs_nothing(machine: Machine) -> None:
    (machine.folder / "opt").mkdir()
    (machine.folder / "opt/digest").write_text("d1\n")
    done = machine.boot()
    assert [call.split()[0] for call in done.calls] == ["systemctl", "systemctl"]


@pytest.mark.parametrize("what", ["apt-get", "aws s3", "python3 -c", "install-sh"])
def test_what_fails_for_a_minute_is_tried_again(machine: Machine, what: str) -> None:
    done = machine.boot(plan={what: [100, 100, 100, 0]})
    assert (done.status, done.console) == (0, "")
    assert done.of("sleep") == ["sleep 5", "sleep 10", "sleep 20"]
    assert done.of(f"systemctl start --no-block {names.TARGET}")


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("update", "swarmer: dead: apt-get -qy "),
        ("python3-venv", "swarmer: dead: apt-get -qy "),
        ("aws s3", "swarmer: dead: aws s3 cp --only-show-errors --region eu-west-1 s3://assets/"),
        ("install-sh", "swarmer: dead: sh "),
    ],
)
def test_what_fails_for_good_is_said_and_ends_the_instance(machine: Machine, what: str, said: str) -> None:
    done = machine.boot(plan={what: [100]})
    assert done.status != 0
    assert done.console.startswith(said) and done.console.endswith("failed\n")
    assert done.of("sleep") == [f"sleep {pause}" for pause in (5, 10, 20, 40, 80, 160)]
    assert done.calls[-1] == "shutdown -h now"
    assert not done.of("systemctl")


def test_what_cannot_get_better_is_not_tried_again(machine: Machine) -> None:
    done = machine.boot(plan={"install-sh": [78]})
    assert len(done.of("install-sh")) == 1
    assert not done.of("sleep")
    assert done.calls[-1] == "shutdown -h now"


@pytest.mark.parametrize("agent", [True, False], ids=["unreachable", "another one"])
def test_a_node_without_session_manager_serves_all_the_same(machine: Machine, agent: bool) -> None:
    done = machine.boot(plan={"python3 -c": [1]} if agent else {}, agent=agent)
    assert done.status == 0
    assert done.console.startswith("swarmer: Session Manager is not installed: ")
    assert ("the SHA-256 of " in done.console) is not agent
    assert not done.of("install /")
    assert done.of(f"systemctl start --no-block {names.TARGET}")


def test_an_archive_with_another_digest_is_told_and_not_opened(machine: Machine) -> None:
    software = DownloadedSoftware(url="https://example.com/software.zip", sha256="0" * 64, digest="d1")
    done = machine.boot(software)
    assert done.status == 78
    assert done.console.startswith("swarmer: dead: the SHA-256 of ")
    assert len(done.of("https://example.com/software.zip")) == 1
    assert not done.of("zipfile") and not done.of("systemctl")


def test_a_machine_of_ones_own_is_left_on_for_a_look(machine: Machine) -> None:
    software = CarriedSoftware(label="CIDATA", file="software.zip", digest="d1")
    done = machine.boot(software, {"update": [100]})
    assert done.status != 0
    assert done.console.startswith("swarmer: dead: apt-get -qy ")
    assert not done.of("shutdown") and not done.of("python3 -c")
