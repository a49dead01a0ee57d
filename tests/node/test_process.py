"""Commands and daemons of the operating system."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from swarmer.adapters import process
from tests.node.lab import until


def test_a_daemon_outlives_its_handle_without_a_complaint(tmp_path: Path) -> None:
    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always")
        pid = process.detach(["sleep", "60"], tmp_path / "log", cwd=tmp_path).pid
        gc.collect()
    try:
        # The collection also finds what other tests of this process left.
        assert not [each for each in complaints if str(pid) in str(each.message)]
        assert os.getsid(pid) == pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_an_interruption_ends_a_command_and_its_children(tmp_path: Path) -> None:
    """A child of the CDK went on and wrote into the folder of a cluster that `up` had just removed."""
    script = (
        "import os, pathlib, signal, threading, time\n"
        "from swarmer.adapters import process\n"
        f"child = pathlib.Path({str(tmp_path)!r}) / 'child'\n"
        "argv = ['sh', '-c', f'sleep 60 & echo $! > {child}.new; mv {child}.new {child}; wait']\n"
        "def interrupt():\n"
        "    while not child.exists():\n"
        "        time.sleep(0.2)\n"
        "    time.sleep(0.2)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "threading.Thread(target=interrupt).start()\n"
        "try:\n"
        "    process.run_logged(argv, child.with_name('log'), env=os.environ, cwd=child.parent)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == "interrupted\n"
    state = Path(f"/proc/{int((tmp_path / 'child').read_text())}/stat")
    # A process that nobody has collected yet is a zombie.
    until(lambda: not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] == "Z")


def test_an_interruption_that_comes_when_the_command_has_ended_is_that_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = subprocess.Popen.wait

    def wait(self: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        monkeypatch.setattr(subprocess.Popen, "wait", real)
        real(self, timeout)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "wait", wait)
    with pytest.raises(KeyboardInterrupt):
        process.run_logged(["true"], tmp_path / "log", env=os.environ, cwd=tmp_path)
