"""Every file, module and key that a page names in backquotes exists, so a move or a rename fails here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs import named, pages
from tests.docs.pages import ROOT, Inline

PAGES = [*pages.pages(), *pages.examples()]
ARCHITECTURE = ROOT / "docs/contributing/architecture.md"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_folder_and_module_that_is_named_exists(page: Path) -> None:
    assert [f"{each.place}: {each.text}" for each in named.named(page) if not named.exists(each)] == []


def test_the_exceptions_stand_in_a_page() -> None:
    words = {word for page in PAGES for each in pages.inline(page) for word in each.text.split()}
    assert words >= named.NOT_OURS | named.MADE_LATER


@pytest.mark.parametrize(
    "word",
    [
        *("swarmer/core/names.py", "tests/core/", "docs/guides/aws.md", "lambdas/shared", "swarmer.target"),
        *("core.election.decide", "adapters.consul.Consul.holds", "node.agent", "core.healing"),
        *("healing.grace", "swarmer/healing/", "swarmer/swarm/lock", "READY_TIMEOUT_S"),
    ],
)
def test_what_is_there_is_found(word: str) -> None:
    assert named.is_ours(word)
    assert named.exists(Inline(ARCHITECTURE, 1, word))


@pytest.mark.parametrize(
    "word",
    [
        *("rehearsal/", "swarmer/core/name.py", "names.py", "rehearsal/runtime", "swarmer-none.service"),
        *("rehearsal.aws", "core.election.undecide", "adapters.consul.Consul.hold", "core.healing.none"),
        *("healing.graces", "swarmer/swarm/key", "UNKNOWN_S"),
    ],
)
def test_what_is_not_there_is_missed(word: str) -> None:
    assert named.is_ours(word)
    assert not named.exists(Inline(ARCHITECTURE, 1, word))


@pytest.mark.parametrize(
    "word",
    [
        "10.42.0.0/16",
        "registry.service.swarmer",
        "/etc/resolv.conf",
        "m7g.2xlarge",
        "1/1",
        ".swarmer/faults.json",
    ],
)
def test_what_is_no_name_of_the_checkout_is_left_out(word: str) -> None:
    assert not named.is_ours(word)
