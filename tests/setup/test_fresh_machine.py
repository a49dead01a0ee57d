"""Each make target on a fresh machine: a Debian with make, git and Python, in a folder of this machine.

`make test-fresh` runs it. `make test` does not, because a Debian is made and packages are installed.

A target that used `busybox` before anything installed it once ended in a traceback. Running each target whole
would show that, but takes hours. These two halves show it too:

- A person without root runs each target. It must end in one line that names the missing packages.
- Root takes each target's prerequisites (tests/prerequisites.py). They install packages, and make from them
  what the target needs before its first measurement, for example the image that holds `busybox`.

Each command starts from the fresh state again, so no target profits from another one's packages. `docker` is
a stand-in, because a real Docker Engine would act on this machine's network.
"""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from swarmer.local import environment, node_image
from swarmer.local.debian import sources
from tests import prerequisites

pytestmark = pytest.mark.timeout(1800)

PACKAGES: Final = "make,git,python3"
CHECKOUT: Final = "/swarmer"
ENVIRONMENT: Final = {
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    "PYTHONDONTWRITEBYTECODE": "1",
    # The virtualenv's `swarmer` looks for its package in the checkout that it was made for.
    "PYTHONPATH": CHECKOUT,
}
VENV: Final = (environment.ROOT / ".venv").resolve()
LIBRARY: Final = Path(str(sysconfig.get_config_var("LIBDIR")), str(sysconfig.get_config_var("INSTSONAME")))
STDLIB: Final = Path(sysconfig.get_path("stdlib"))
NOBODY: Final = 65534
DOCKER: Final = '#!/bin/sh\n[ "$1" != version ] || echo 20.10.24\n'
"""Stand-in for Docker's command line and a Docker Engine that answers."""
NO_SERVICES: Final = "#!/bin/sh\nexit 101\n"
"""policy-rc.d of a Debian in which packages start no services."""
ENTER: Final = """set -e
top=$1 user=$2; shift 2
root=$top/root
mkdir "$root" "$top/upper" "$top/work"
mount -t overlay fresh -o "lowerdir=$top/../debian,upperdir=$top/upper,workdir=$top/work" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
for shared in archives lists; do
    mkdir -p "$top/../$shared/partial"
done
mount --bind "$top/../archives" "$root/var/cache/apt/archives"
mount --bind "$top/../lists" "$root/var/lib/apt/lists"
while [ "$1" != -- ]; do
    mount --bind -o ro "$1" "$root$1"
    shift
done
shift
exec chroot --userspec="$user:$user" "$root" "$@"
"""
"""Runs a command in the Debian. All mounts end with it, because they are in a namespace of its own."""
PRODUCT: Final = ("up", "dns-proxy")
"""Targets that call `swarmer`, which installs what it needs."""
NO_ERROR: Final = ("make: ***", "✗ ")
"""Lines that make and the progress of `swarmer up` add to the error."""


@dataclass(frozen=True)
class Debian:
    """A fresh machine. Each command sees it as it was made."""

    folder: Path

    def run(self, *argv: str, user: int = 0) -> subprocess.CompletedProcess[str]:
        """A command in its checkout; both outputs as text."""
        top = self.folder / "run"
        top.mkdir()
        enter = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, "sh"]
        inside = ["env", "-i", "-C", CHECKOUT, *(f"{key}={value}" for key, value in ENVIRONMENT.items())]
        try:
            return subprocess.run(
                [*enter, str(top), str(user), *map(str, borrowed()), "--", *inside, *argv],
                capture_output=True,
                text=True,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        finally:
            shutil.rmtree(top)

    def make(self, target: str) -> subprocess.CompletedProcess[str]:
        """`make TARGET` of a person who may install nothing; the virtualenv is set up."""
        old = ("-o", ".venv/.test", "-o", ".venv/.deploy", "-o", "lint")
        return self.run("make", *old, target, user=NOBODY)


def borrowed() -> list[Path]:
    """The virtualenv and its Python, at their own paths: to install them again shows nothing new."""
    named = VENV / "bin/python"
    while named.is_relative_to(VENV):
        named = named.parent / named.readlink()
    return [path for path in (VENV, named, named.resolve(), STDLIB, LIBRARY) if path.exists()]


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Debian]:
    """Made once, without Docker."""
    made = Debian(tmp_path_factory.mktemp("fresh"))
    root = made.folder / "debian"
    subprocess.run(
        ["mmdebstrap", "-q", "--variant=minbase", f"--include={PACKAGES}", node_image.SUITE, str(root), "-"],
        input=sources(node_image.SUITE).encode(),
        check=True,
    )
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    write(root / "usr/sbin/policy-rc.d", NO_SERVICES)
    for path in borrowed():
        lend(root, path)
    check_out(root / CHECKOUT.lstrip("/"))
    yield made
    shutil.rmtree(made.folder)  # pytest would keep its gigabyte for three runs


@pytest.fixture(scope="module")
def debian_with_docker(debian: Debian) -> Debian:
    """The same machine; last, because the stand-in stays."""
    for name in ("docker", "dockerd"):
        write(debian.folder / "debian/usr/local/bin" / name, DOCKER)
    return debian


def write(command: Path, script: str) -> None:
    command.write_text(script)
    command.chmod(0o755)


def lend(root: Path, path: Path) -> None:
    """Make what `path` is mounted on; whoever uses the machine may read it."""
    target = root / path.relative_to("/")
    folder = target if path.is_dir() else target.parent
    folder.mkdir(parents=True, exist_ok=True)
    target.touch()
    for each in (folder, *folder.parents):
        if each == root.parent:
            break
        # A checkout may lie below /tmp, which stays open to everybody.
        each.chmod(each.stat().st_mode & 0o7777 | 0o755)


def check_out(folder: Path) -> None:
    """This checkout without what git ignores, as its owner has it."""
    listed = [
        "git",
        "-C",
        str(environment.ROOT),
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]
    for name in subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split("\0"):
        source = environment.ROOT / name
        if source.is_file() and not source.is_relative_to(environment.ROOT / ".venv"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name)
    (folder / ".venv").symlink_to(VENV)
    subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", str(folder)], check=True)


@pytest.mark.parametrize(
    "target", [*(each for each, steps in prerequisites.STEPS.items() if steps), *PRODUCT]
)
def test_a_person_who_may_install_nothing_is_told_in_one_line_what_is_missing(
    debian: Debian, target: str
) -> None:
    done = debian.make(target)
    said = [line for line in done.stderr.splitlines() if not line.startswith(NO_ERROR)]
    assert done.returncode == 2, done.stdout + done.stderr
    assert len(said) == 1, done.stderr
    assert "sudo apt-get install" in said[0]


def test_docker_engine_brings_its_command_line(debian: Debian) -> None:
    install = "from swarmer.local import host; host.ensure_engine_commands()"
    script = f'.venv/bin/python -c "{install}" && docker --version && dockerd --version'
    done = debian.run("sh", "-ec", script)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("target", prerequisites.STEPS)
def test_root_gets_what_a_target_needs(debian_with_docker: Debian, target: str) -> None:
    done = debian_with_docker.run(".venv/bin/python", "-m", "tests.prerequisites", target)
    assert done.returncode == 0, done.stdout + done.stderr
