"""How systemd keeps a node's daemons going."""

from __future__ import annotations

import re
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from swarmer.core import software

NODE = software.ROOT / "node"
UNITS = NODE / "systemd"
KEPT = (
    *("consul.service", "docker.conf.in", "containerd.conf", "systemd-resolved.conf"),
    *("swarmer-agent.service", "swarmer-registrator.service", "swarmer-registry.service"),
)


def unit(name: str) -> ConfigParser:
    found = ConfigParser(strict=False, interpolation=None)
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read_string((UNITS / name).read_text())
    return found


@pytest.mark.parametrize("name", KEPT)
def test_an_ended_program_is_restarted_for_ever_with_growing_pauses(name: str) -> None:
    found = unit(name)
    assert found["Unit"]["StartLimitIntervalSec"] == "0"
    service = found["Service"]
    assert service["Restart"] == "always"
    assert service["RestartSec"].endswith("ms")
    assert int(service["RestartSteps"]) > 1
    assert service["RestartMaxDelaySec"] == "15s"


def test_a_resolver_that_hangs_is_ended_within_half_a_minute() -> None:
    """SIGABRT, which a watchdog sends by itself, waits in a process that is stopped."""
    service = unit("systemd-resolved.conf")["Service"]
    assert (service["WatchdogSec"], service["WatchdogSignal"]) == ("30s", "SIGKILL")


def test_each_drop_in_is_installed_beside_the_unit_that_it_is_named_after(tmp_path: Path) -> None:
    script = (NODE / "install.sh").read_text()
    found = re.search(r"^install_units\(\) \{\n(.*?)^\}", script, re.MULTILINE | re.DOTALL)
    assert found
    body = found[1].replace("/etc/systemd/system", str(tmp_path)).replace("/run/systemd/system", "/nowhere")
    stand_in = 'systemctl() { echo "systemctl $*" >> "$made/told"; }\n'
    subprocess.run(
        ["sh", "-eu", "-c", f"source={software.ROOT} made={tmp_path}\n{stand_in}{body}"], check=True
    )
    for name in ("containerd", "systemd-resolved"):
        installed = tmp_path / f"{name}.service.d/swarmer.conf"
        assert installed.read_text() == (UNITS / f"{name}.conf").read_text()
    assert "@DOCKERD@" not in (tmp_path / "docker.service.d/swarmer.conf").read_text()
    assert (tmp_path / "swarmer.target").exists()
