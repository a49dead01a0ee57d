"""The command as a parameter: its words arrive as they are, and no shell reads them on the way."""

from __future__ import annotations

import base64
import json
import re

import pytest

from swarmer.core import remote_command
from swarmer.core.remote_command import COMMAND, ID, PATTERNS, SECONDS, Unusable


@pytest.mark.parametrize(
    "argv",
    [["true"], ["sh", "-c", "echo \"$HOME\" 'a' `b` {{ Id }}\n"], ["printf", "", "ü", "🐳", "\x01"]],
)
def test_words_arrive_as_they_were_sent(argv: list[str]) -> None:
    text = remote_command.encode(argv)
    assert remote_command.decode(text) == argv
    assert re.search(PATTERNS[COMMAND], text)


def test_no_value_holds_what_a_shell_or_the_agent_would_read() -> None:
    for name, good in ((ID, "0" * 32), (SECONDS, "3600"), (COMMAND, remote_command.encode(["true"]))):
        assert re.search(PATTERNS[name], good)
        for bad in ("'", '"', " ", "$(id)", "`", "\\", ";", "{{ssm:a}}", "\n\n"):
            assert not re.search(PATTERNS[name], good + bad), (name, bad)
            assert not re.search(PATTERNS[name], bad + good), (name, bad)


def test_gos_expressions_take_the_patterns() -> None:
    """The agent compiles them; Go repeats nothing more than 1,000 times, and knows no look-around."""
    for pattern in PATTERNS.values():
        assert all(int(number) <= 1000 for number in re.findall(r"\d+", pattern.partition("{")[2]))
        assert "(?" not in pattern


def encoded(value: object) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a", "no list of words"),
        ("aGk=", "no list of words"),
        (base64.b64encode(b"\xff").decode(), "no list of words"),
        (encoded("true"), "no list of words"),
        (encoded(["true", 1]), "no list of words"),
        (encoded([]), "has no words"),
        (encoded([""]), "has no words"),
        (encoded(["a", "b\0"]), "null character"),
    ],
)
def test_what_is_no_command_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(Unusable, match=why):
        remote_command.decode(text)


def test_a_command_that_run_command_would_cut_is_not_sent() -> None:
    with pytest.raises(Unusable, match=r"too long: 40,\d+ characters once encoded, at most 32,768"):
        remote_command.encode(["x" * 30_000])


@pytest.mark.parametrize("argv", [[], ["", "a"], ["a\0"]])
def test_a_command_that_no_node_could_run_is_not_sent(argv: list[str]) -> None:
    with pytest.raises(Unusable):
        remote_command.encode(argv)
