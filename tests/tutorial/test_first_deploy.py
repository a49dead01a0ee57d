"""docs/tutorial/first-deploy.md is typed word for word, from `git clone` to an empty account.

The account is the AWS of a rehearsal of this checkout. Only the environment differs from a reader's: it names
the endpoint and a file with the profile. The reader works in a clone, so this also tests what is committed.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from swarmer.adapters.account import Account
from swarmer.cli.common import DEFAULT, load
from swarmer.fakeaws.base.preload import ACCOUNT
from swarmer.local import aws_daemon, environment
from tests.docs import pages
from tests.docs.pages import Block
from tests.rehearsal.conftest import SWARMER, swarmer
from tests.smoke import leftovers
from tests.tutorial.terminal import Terminal

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(2400)]

PAGE: Final = environment.ROOT / "docs/tutorial/first-deploy.md"
PROFILE: Final = """\
[profile swarmer]
aws_access_key_id = rehearsal
aws_secret_access_key = rehearsal
"""
OTHERS: Final = ("AWS_", "CDK_", "SWARMER_", "VIRTUAL_ENV", "MAKE")
"""Beginnings of variables that belong to this test's own shell."""
ANSWERS: Final = {
    "swarmer deploy": {"[y/N]:": "y"},
    "swarmer terminate": {"to go on:": "swarmer"},
    "swarmer destroy": {"to go on:": "swarmer"},
}
"""Answers that the page tells its reader to type, by the question's end, by the command."""
LONG_S: Final = 900.0
"""Timeout for a line, in seconds: `make setup`, deploy, destroy."""
HEAL_TIMEOUT_S: Final = 420.0
"""Timeout for the cluster to be validated again, in seconds."""


@pytest.fixture
def variables(tmp_path: Path) -> Iterator[Mapping[str, str]]:
    """Environment of a reader whose account is the AWS of this machine, which is empty."""
    assert aws_daemon.daemon_pid(load(DEFAULT)) is None, "a rehearsal of swarmer runs here: make down"
    start = f'eval "$({SWARMER} up --aws-only)" && env -0'
    try:
        done = subprocess.run(["bash", "-c", start], stdout=subprocess.PIPE, check=True)
        given = dict(each.split("=", 1) for each in done.stdout.decode().split("\0") if each)
        (tmp_path / "config").write_text(PROFILE)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}
        yield kept | {
            "LANG": "C.UTF-8",
            "AWS_CONFIG_FILE": str(tmp_path / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
            "AWS_ENDPOINT_URL": given["AWS_ENDPOINT_URL"],
            "AWS_EC2_METADATA_DISABLED": "true",
        }
    finally:
        swarmer("down", "-f", DEFAULT)


@pytest.fixture
def terminal(variables: Mapping[str, str], tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path, variables)
    yield made
    made.close()


@dataclass
class Reader:
    """A person who types the page."""

    terminal: Terminal
    bucket: str = ""
    """Name of the bucket that stays, which the reader sees in the output of `swarmer destroy`."""

    def type(self, block: Block) -> str:
        """Type the lines of a block; what the terminal shows."""
        return "".join(self._type(line) for line in block.text.splitlines())

    def _type(self, line: str) -> str:
        line = line.replace("ADDRESS", str(environment.ROOT)).replace("BUCKET", self.bucket)
        line = line.replace("ACCOUNT", ACCOUNT)
        answers = next((each for command, each in ANSWERS.items() if line.startswith(command)), {})
        shown = self.terminal.type(line, answers, within_s=LONG_S)
        assert self.terminal.exit_status() == 0, f"{line}\n{shown}"
        if found := re.search(r"Bucket\('([a-z0-9-]+)'\)", shown):
            self.bucket = found[1]
        return shown

    def type_until(self, block: Block, is_right: Callable[[str], bool]) -> str:
        """Type a block again and again until the terminal shows what the page promises."""
        deadline_s = time.monotonic() + HEAL_TIMEOUT_S
        while True:
            shown = self.terminal.type(block.text, within_s=LONG_S)
            if self.terminal.exit_status() == 0 and is_right(shown):
                return shown
            assert time.monotonic() < deadline_s, shown
            time.sleep(2)


def test_the_page_leads_from_an_empty_account_to_a_service_and_back(
    terminal: Terminal, variables: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_CONFIG_FILE", "AWS_ENDPOINT_URL"):
        monkeypatch.setenv(name, variables[name])
    monkeypatch.setenv("AWS_PROFILE", "swarmer")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    reader, shown, resources = Reader(terminal), "", []
    unseen: list[str] = []
    for block in pages.blocks(PAGE):
        if block.how == "shown":
            lines = [line for line in block.text.splitlines() if not is_seen(line, shown)]
            unseen += [f"{block.place}: {line}" for line in lines]
        elif block.how.startswith(pages.RUN_BY):
            if block.text == "swarmer destroy":
                resources = leftovers.recorded(Account(), "swarmer")
            look_again = block.text == "swarmer status"
            shown = reader.type_until(block, bool) if look_again else reader.type(block)
            print(f"$ {block.text}\n{shown}")  # noqa: T201 - `pytest -s` shows what the page should show
        else:
            assert block.how == "needs AWS", block.place
    assert unseen == []
    assert resources
    account = Account()
    assert leftovers.everything(account, "swarmer", resources) == []
    assert account.client("s3").list_buckets()["Buckets"] == []
    assert account.client("cloudformation").describe_stacks()["Stacks"] == []


def is_seen(line: str, shown: str) -> bool:
    """Whether a line of the page is among those shown; `…` stands for anything, blanks for any blanks."""
    words = [r".*".join(map(re.escape, word.split("…"))) for word in line.split()]
    return re.search("^[ \t]*" + "[ \t]+".join(words), shown, re.MULTILINE) is not None


def test_a_line_of_the_page_is_seen_only_if_it_was_shown() -> None:
    shown = "  ✓  zones   us-east-1a, us-east-1b\nswarmer is deployed. What to type now:\n"
    assert is_seen("✓ zones …", shown)
    assert is_seen("swarmer is deployed. …", shown)
    assert not is_seen("✗ zones …", shown)
    assert not is_seen("is deployed.", shown)
