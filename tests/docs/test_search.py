"""The site's search leads from a message on the screen to its section, by three words of the message."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.docs.pages import ROOT
from tests.docs.test_pages import quoted, slug

PAGE: Final = "guides/troubleshooting/"
SYMPTOMS: Final = {
    "a node does not join": (
        "waits for a manager to publish the join tokens; the Swarm exists already, "
        "so no new one is initialized"
    ),
    "a node does not boot": "core-2 cannot boot: no space left on device",
    "a push fails": "no node serves the registry",
    "Consul has no quorum": "Consul has no leader",
    "the Swarm has no quorum": "Swarm answers on no manager",
    "a login has expired": "the AWS credentials have expired: aws sso login, or get new ones (ExpiredToken)",
    "a bucket refuses": (
        "images belongs to another account or lies in another region: write another registry.bucket"
    ),
    "a name does not resolve": "is forwarded to 10.42.0.5, but registry.service.swarmer has no answer",
    "a node is silent": "core-2: it sent no report: it did not answer in 5 s",
    "a permission is missing": "you may not ssm:SendCommand: the policy swarmer-operator grants it",
    "Docker does not run": "Docker does not answer: start it with `sudo systemctl start docker`",
    "a description is refused": "servers.yml:12: groups.core.size: 4 is even; take 1, 3, 5 or 7",
    "AWS cannot change a key": (
        "servers.yml: registry.bucket: AWS cannot rename a bucket, so it cannot become images"
    ),
    "setup.sh leaves a file": "daemon.json was changed since setup.sh wrote it, and is left as it is",
}
"""Symptoms, each with the exact message that the screen shows."""


OTHERS: Final = {"Vagrant libvirt VirtualBox": "tutorial/vagrant/", "Facts about AWS": "reference/facts/"}
"""Searches for other pages than that of troubles, and the pages that they lead to."""
UNKNOWN: Final = "xyzzyqwfp"


def heading_of(message: str) -> str:
    """The heading of the page of troubles that is this message, with `…` for what differs."""
    found = [each for each in quoted() if re.search(".+".join(map(re.escape, each.split("…"))), message)]
    assert len(found) == 1, f"{message}: {found}"
    return found[0]


def three_words(heading: str) -> str:
    """The three longest words of a message, because they are the rarest."""
    words = [word.strip(".'") for word in re.findall(r"[A-Za-z][\w.'-]+", heading)]
    return " ".join(sorted(dict.fromkeys(words), key=len, reverse=True)[:3])


@pytest.fixture(scope="module")
def found(site: Path) -> dict[str, list[str]]:
    """Each search with the sections that the site's own search finds, in the order of its list."""
    searches = [*map(three_words, quoted()), *OTHERS, UNKNOWN]
    command = [".venv/bin/node", "tests/docs/search.js", str(site), *searches]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    results = [json.loads(line) for line in done.stdout.splitlines()]
    return {
        search: [section["location"] for page in result for section in page]
        for search, result in zip(searches, results, strict=True)
    }


@pytest.mark.parametrize("symptom", SYMPTOMS)
def test_three_words_of_a_message_lead_to_its_section_first(
    found: dict[str, list[str]], symptom: str
) -> None:
    heading = heading_of(SYMPTOMS[symptom])
    assert found[three_words(heading)][0] == f"{PAGE}#{slug(heading)}"


@pytest.mark.parametrize("message", quoted())
def test_three_words_of_every_message_lead_to_its_section_among_five(
    found: dict[str, list[str]], message: str
) -> None:
    """Short messages share their words with others."""
    assert f"{PAGE}#{slug(message)}" in found[three_words(message)][:5]


def test_a_search_for_other_words_leads_elsewhere(found: dict[str, list[str]]) -> None:
    assert {search: found[search][0].partition("#")[0] for search in OTHERS} == OTHERS
    assert found[UNKNOWN] == []
