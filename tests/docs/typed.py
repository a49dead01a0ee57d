"""Commands in sentences and tables: each is typed by a test, or marked here with what keeps it from that.

One that begins a line of a block is typed with the block. In upper case stands what a reader puts in: GROUP.
"""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path
from typing import Final

from tests.docs import pages
from tests.docs.pages import ROOT

PROGRAMS: Final = frozenset(
    (
        *("./setup.sh", "apt-get", "aws", "cdk", "consul", "curl", "dig", "docker", "echo", "make"),
        *("mmdebstrap", "npm", "redis-cli", "sudo", "swarmer", "vagrant"),
    )
)
NEEDS_AWS: Final = "needs AWS"
NEEDS_VMS: Final = "needs libvirt or VirtualBox"
AN_OPERATORS: Final = "an operator's own change, which nothing takes back"
IS_A_TEST: Final = "is a test or a measurement itself"

WITH_CLUSTER: Final = (
    "docker network ls",
    "docker ps",
    "dig @ADDRESS registry.service.swarmer",
    "npm config get registry",
    "swarmer exec NODE -- nft list set inet security_groups refused",
    "swarmer logs NODE",
    "swarmer logs NODE --unit consul",
    "swarmer logs NODE --unit docker",
    "swarmer logs NODE --unit swarmer-registry",
    "swarmer logs NODE --unit systemd-resolved",
    "swarmer machines",
    "swarmer up --timeout 600",
)
"""Typed as they stand, with a running cluster, by tests/daily/test_documents.py."""
TYPED: Final = {
    "consul leave": ("chaos/by_hand.py", "consul leave"),
    "consul operator raft remove-peer": ("chaos/by_hand.py", "consul operator raft remove-peer"),
    "docker node demote NODE": ("chaos/by_hand.py", "docker node demote node.name"),
    "docker node promote NODE": ("chaos/by_hand.py", "docker node promote promoted.name"),
    "docker swarm leave --force": ("chaos/by_hand.py", "docker swarm leave --force"),
    "cdk diff": ("swarmer/local/cdk.py", "_run diff"),
    "cdk synth": ("tests/fakeaws/cdk.py", "_run synth"),
    "docker service logs logs_talker": ("tests/examples/test_logs.py", "docker service logs logs_talker"),
    "docker stack services rolling": (
        "tests/examples/test_rolling_update.py",
        "docker stack services rolling",
    ),
    "docker stack services volume": ("tests/examples/test_volume.py", "docker stack services volume"),
    "docker stack services web": ("tests/examples/test_web.py", "docker stack services web"),
    "docker volume rm volume_data": ("tests/examples/test_volume.py", "docker volume rm volume_data"),
    "make clean": ("tests/docs/test_make.py", "make checkout clean"),
    "make docs": ("tests/docs/test_make.py", "make checkout docs"),
    "make help": ("tests/docs/test_make.py", "make checkout help"),
    "make site": ("tests/docs/test_site.py", "run checkout site"),
    "make audit-deps": ("tests/audit/test_audit.py", "make ROOT -s audit-deps"),
    "swarmer --version": ("tests/rehearsal/test_help.py", "swarmer --version"),
    "redis-cli --rdb": ("tests/examples/test_volume.py", "--rdb"),
    "swarmer address --role ROLE": (
        "tests/rehearsal/test_cluster.py",
        "swarmer address --role swarm-manager",
    ),
    "swarmer diagram -o cluster.svg": ("tests/rehearsal/test_help.py", "swarmer diagram -o"),
    "swarmer deploy -f FILE": ("tests/fakeaws/test_deploy_command.py", "main command -f str servers"),
    "swarmer recover": ("tests/rehearsal/test_resilience.py", "swarmer recover"),
    "swarmer registrator run consul://127.0.0.1:8500": ("tests/node/lab.py", "registrator run"),
    "swarmer resume GROUP": ("tests/rehearsal/test_groups_command.py", "resume workers"),
    "swarmer scale GROUP N": ("chaos/lab.py", "swarmer self.servers scale self.group"),
    "swarmer up --aws-only": ("tests/rehearsal/test_deploy.py", "swarmer up --aws-only"),
    "swarmer shell NODE": ("tests/rehearsal/test_as_operator.py", "SWARMER shell worker"),
    "swarmer up --retain": ("tests/daily/test_documents.py", "swarmer up --retain"),
    **{
        command: ("tests/vagrant/test_daily.py", command)
        for command in (
            "docker exec -it swarmer.core-1 bash",
            "vagrant destroy core-2",
            "vagrant docker-exec",
            "vagrant halt",
            "vagrant reload",
            "vagrant reload core-2",
            "vagrant up workers-3",
        )
    },
}
"""Command to the test that types it, and the words in its source, without quotes, commas and brackets."""
MARKED: Final = {
    "consul force-leave NODE": "tests/node/daemons/test_consul_agents.py calls its API",
    "consul maint -disable": "tests/node/daemons/test_consul_agents.py calls its API",
    "consul maint -enable": "tests/node/daemons/test_consul_agents.py calls its API",
    "docker network rm ingress": AN_OPERATORS,
    "docker node rm --force NODE": "the node is replaced after `healing.grace`, which takes minutes",
    "docker node update --availability drain NODE": AN_OPERATORS,
    "docker node update --label-add KEY=VALUE NODE": AN_OPERATORS,
    "docker swarm ca --rotate": AN_OPERATORS,
    "docker swarm join-token --rotate worker": AN_OPERATORS,
    "docker swarm update": AN_OPERATORS,
    "apt-get install nfs-kernel-server": NEEDS_VMS,
    "apt-get install vagrant docker.io": "a machine that lacks them; tests/vagrant installs vagrant so",
    "aws ec2 describe-volumes --filters Name=attachment.instance-id,Values=INSTANCE": NEEDS_AWS,
    "aws ec2 describe-tags --filters Name=tag:swarmer:cluster,Values=NAME": NEEDS_AWS,
    "aws s3 cp": NEEDS_AWS,
    "aws ssm describe-instance-information": NEEDS_AWS,
    "aws sso login": NEEDS_AWS,
    "aws ssm get-parameter --name /aws/service/debian/release/13/latest/amd64": NEEDS_AWS,
    "aws sts get-caller-identity": NEEDS_AWS,
    "cdk bootstrap --bootstrap-kms-key-id": NEEDS_AWS,
    "cdk bootstrap --custom-permissions-boundary NAME": NEEDS_AWS,
    "cdk bootstrap --tags KEY=VALUE": NEEDS_AWS,
    "cdk deploy --all --context servers=FILE": NEEDS_AWS,
    "cdk deploy --revert-drift": NEEDS_AWS,
    "cdk destroy --all": NEEDS_AWS,
    "cdk gc": NEEDS_AWS,
    "consul version": NEEDS_AWS,
    "docker service update --force SERVICE": "Docker 29, which no Debian suite has",
    "echo '* 10.42.0.0/16' | sudo tee -a /etc/vbox/networks.conf": NEEDS_VMS,
    "mmdebstrap --variant=minbase trixie - | docker import - debian:trixie-slim": (
        "Debian's own mirror; tests/examples/base.py does it with this machine's"
    ),
    "make recording": "tests/recording types it, with a stand-in for `make up`",
    "make smoke-aws ARGS=--yes": NEEDS_AWS,
    "sudo usermod -aG docker $USER": "a person who is not root, and logs in again",
    "vagrant ssh core-1": NEEDS_VMS,
}


def is_command(text: str) -> bool:
    """Whether people type that; a program's name alone is no command."""
    words = words_of(text)
    return bool(words) and words[0] in PROGRAMS and (len(words) > 1 or words[0] == "./setup.sh")


def words_of(text: str) -> list[str]:
    """Without the folder of the program, settings, what is optional, `…` or a comment at the end."""
    words = re.sub(r"\[[^\]]*\]|…$| +# .*$", "", text.replace("\\|", "|")).split()
    while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        words = words[1:]
    return [re.sub(r"^\.venv/bin/", "", words[0]), *words[1:]] if words else []


def how(text: str) -> str:
    """Test that types it, or the reason why none can; empty if none does."""
    words = words_of(text)
    if words[0] == "make" and re.fullmatch(r"test.*|bench-.*|lint|prose|fuzz|faults", words[1]):
        return IS_A_TEST
    if known := next((each for each in in_blocks() if begins(each, words)), None):
        return f"a block has {' '.join(known)}"
    for command in WITH_CLUSTER:
        if begins(words_of(command), words):
            return "tests/daily/test_documents.py"
    for table in (TYPED, MARKED):
        for command, found in table.items():
            if begins(words_of(command), words):
                return found if isinstance(found, str) else found[0]
    return ""


def begins(line: list[str], words: list[str]) -> bool:
    """Whether the line begins with the words; NODE stands for any."""
    return len(line) >= len(words) and all(
        word == other or re.fullmatch(r"[A-Z]+", word) for word, other in zip(words, line, strict=False)
    )


@cache
def in_blocks() -> list[list[str]]:
    """Every command of a block that is typed, or marked as one that needs AWS."""
    return [words for line in lines_of(is_shown=False) for words in commands(line.text)]


def commands(line: str) -> list[list[str]]:
    """The parts of a pipe or list, each for itself."""
    parts = re.split(r" \|\|? | && |; ", line)
    return [words for part in parts if (words := words_of(part))]


def lines_of(*, is_shown: bool) -> list[pages.Inline]:
    """Lines of blocks: of those that are only shown, or of all others."""
    return [
        pages.Inline(page, block.line + number, line)
        for page in [*pages.pages(), *pages.examples()]
        for block in pages.blocks(page)
        if (block.how == "shown") is is_shown
        for number, line in enumerate(block.text.splitlines())
    ]


def source(path: str) -> str:
    """Source of a test, as words with single blanks between."""
    return blank((ROOT / path).read_text())


def blank(text: str) -> str:
    """Text with blanks for quotes, commas and brackets."""
    return re.sub(r"[\s\"',()\[\]*]+", " ", text)


def everywhere() -> list[pages.Inline]:
    """All commands in sentences, tables, and blocks that are only shown, of all pages."""
    every: list[Path] = [*pages.pages(), *pages.examples()]
    quoted = [each for page in every for each in pages.inline(page)]
    return [each for each in (*quoted, *lines_of(is_shown=True)) if is_command(each.text)]


NEAR: Final = 8
"""Largest number of other words between two words of a command."""
FREE: Final = re.compile(
    r"(?:ADDRESS|FILE|GROUP|IMAGE|NODE)$|\$|\d+\.\d+\.\d+\.\d+$|-f$|\w+\.yml$|consul://HOST"
)
"""Words that a reader fills in: values, addresses, and the file of the cluster's description."""
IN_PARTS: Final = {
    "docker compose -f dns-proxy-compose.yml up -d": "project up -d",
    "docker compose -f dns-proxy-compose.yml down": "project down",
}
"""Command of a block to the words of its test, where that puts it together."""


def untyped(block: pages.Block) -> list[str]:
    """Commands of a block `run by` tests whose words none of them has, one near the other."""
    paths = block.how.removeprefix(pages.RUN_BY).split(", ")
    sources = [source(path) for path in paths]
    # One that goes through the blocks of this page types all of them.
    if any("pages.blocks PAGE" in each and str(block.page.relative_to(ROOT)) in each for each in sources):
        return []
    # One that goes through the blocks of another page types the lines that this block shares with it.
    elsewhere = {
        line
        for page in pages.pages()
        if any("pages.blocks PAGE" in each and str(page.relative_to(ROOT)) in each for each in sources)
        for each in pages.blocks(page)
        for line in each.text.splitlines()
    }
    # One that takes the block out of the page types all of it.
    start = " ".join(block.text.split()[:3])
    if any("pages.blocks" in each and start in each for each in sources):
        return []
    parts = [
        part
        for line in block.text.splitlines()
        if line not in elsewhere
        for part in re.split(r" \|\|? | && |; ", re.sub(r" +# .*$|\[[^\]]*\]", "", line))
    ]
    return [part for part in parts if not any(has(each, part) for each in sources)]


def has(text: str, command: str) -> bool:
    """Whether a source has the command's words; of `make TARGET`, or those of its recipe."""
    words = shlex.split(command)
    while re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    if (known := IN_PARTS.get(" ".join(words))) and known in text:
        return True
    if words[0] == "make" and (
        found := re.search(rf"^{words[1]}:.*\n\t@\$\(BIN\)/(\w+ \w+)", makefile(), re.M)
    ):
        return f" {' '.join(words)}" in text or f" {found[1]} " in text
    words[0] = words[0].rpartition("/")[2]
    wanted = [part for word in words if not FREE.match(word) for part in blank(word).split()]
    between = rf"(?: \S+){{0,{NEAR}}}? "
    return re.search(between.join(map(re.escape, wanted)), text, re.IGNORECASE) is not None


def makefile() -> str:
    return (ROOT / "Makefile").read_text()
