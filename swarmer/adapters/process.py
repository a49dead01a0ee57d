"""Commands of the operating system. Every failure is one `Failed`."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path


class Failed(Exception):
    """A command could not be run, failed or took too long; the text has the command and the reason."""


class Daemon(subprocess.Popen[bytes]):
    """Process that outlives its handle. Python would warn about a plain Popen."""

    def __del__(self) -> None:
        pass


def run(
    argv: Sequence[str], *, timeout_s: float = 60, env: Mapping[str, str] | None = None, stdin: bytes = b""
) -> str:
    """Standard output of `argv`. Raises Failed with the command's own words."""
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, timeout=timeout_s, env=env, check=True)
    except subprocess.CalledProcessError as exc:
        words = exc.stderr.decode(errors="replace").strip() or exc.stdout.decode(errors="replace").strip()
        raise Failed(f"{' '.join(argv[:3])}: {words or f'exit status {exc.returncode}'}") from exc
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise Failed(f"{' '.join(argv[:3])}: {exc}") from exc
    return done.stdout.decode(errors="replace")


def run_logged(argv: Sequence[str], log: Path, *, env: Mapping[str, str], cwd: Path) -> int:
    """Exit status of `argv`; both outputs go to `log`. An interruption kills it and its children."""
    with logged(argv, log, env=env, cwd=cwd) as running:
        return running.wait()


@contextlib.contextmanager
def logged(
    argv: Sequence[str], log: Path, *, env: Mapping[str, str], cwd: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `argv` beside the block; both outputs go to `log`. The end of the block waits for its end.

    An exception of the block kills it and its children.
    """
    with (
        log.open("wb") as output,
        subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=env,
            cwd=cwd,
            process_group=0,
        ) as running,
    ):
        try:
            yield running
        except BaseException:
            # A child that still runs would write into folders that are removed next.
            with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
                os.killpg(running.pid, signal.SIGKILL)
            raise


def detach(argv: Sequence[str], log: Path, *, cwd: Path) -> Daemon:
    """Start a daemon that outlives this process and its terminal; both outputs go to `log`. Raises
    OSError."""
    with log.open("ab") as output:
        return Daemon(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd=cwd
        )
