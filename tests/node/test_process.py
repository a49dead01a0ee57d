"""Commands and daemons of the operating system."""

from __future__ import annotations

import gc
import os
import signal
import warnings
from pathlib import Path

from swarmer.adapters import process


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
