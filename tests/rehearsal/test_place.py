"""The place where a command acts: AWS, or the rehearsal of this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest

from swarmer.cli import place
from swarmer.cli.common import load
from swarmer.core.cluster import Cluster
from swarmer.core.errors import NotDeployed, UserError
from swarmer.local import aws_daemon
from swarmer.local.environment import Environment


@dataclass
class Somewhere:
    """Part of a provider for the choice."""

    name: str
    cluster: Cluster

    @property
    def place(self) -> str:
        return f"place {self.name}"


@dataclass
class World:
    """Reachable places. A failure stands for an AWS that cannot be used."""

    rehearsed: bool = False
    in_sight: bool = False
    aws: UserError | None = None
    asked_aws: bool = False

    def on_aws(self, env: Environment) -> Any:
        self.asked_aws = True
        if self.aws:
            raise self.aws
        return Somewhere(place.AWS, env.cluster)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(place, "is_in_sight", lambda *_, **__: world.in_sight)
    monkeypatch.setattr(place, "_on_aws", world.on_aws)
    monkeypatch.setattr(aws_daemon, "daemon_pid", lambda _: 1 if world.rehearsed else None)
    return world


def found(servers: Path, on: str | None = None) -> str:
    return place.find(str(servers), on).name


def test_the_only_reachable_cluster_is_used_and_named(
    world: World, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.rehearsed = True
    assert found(small) == place.REHEARSAL
    assert capsys.readouterr().err.startswith("small: the rehearsal on this machine, http://localhost:")
    assert not world.asked_aws
    world.rehearsed, world.in_sight = False, True
    assert found(small) == place.AWS
    assert capsys.readouterr().err == "small: place aws\n"


def test_a_place_that_is_named_is_used_without_a_word(
    world: World, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.rehearsed = world.in_sight = True
    assert found(small, place.AWS) == place.AWS
    assert found(small, place.REHEARSAL) == place.REHEARSAL
    assert capsys.readouterr().err == ""


def test_an_account_without_the_cluster_is_no_place(
    world: World, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.rehearsed = world.in_sight = True
    world.aws = NotDeployed("there is no stack")
    assert found(small) == place.REHEARSAL
    assert "stack" not in capsys.readouterr().err


def test_an_account_that_cannot_be_asked_is_said_to_be_left_out(
    world: World, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.rehearsed = world.in_sight = True
    world.aws = UserError("the AWS credentials have expired")
    assert found(small) == place.REHEARSAL
    assert "AWS is left out: the AWS credentials have expired\n" in capsys.readouterr().err


def test_two_places_are_told_apart_by_an_option_or_a_variable(world: World, small: Path) -> None:
    world.rehearsed = world.in_sight = True
    with pytest.raises(UserError, match=r"two places.*--on aws or --on rehearsal, or export") as it:
        found(small)
    assert it.value.status == 2


def test_on_a_terminal_the_operator_chooses_one_of_two_places(
    world: World, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.rehearsed = world.in_sight = True
    monkeypatch.setattr(place, "_is_terminal", lambda: True)
    for answer in (place.AWS, place.REHEARSAL):
        monkeypatch.setattr(click, "prompt", lambda *_, answer=answer, **__: answer)
        assert found(small) == answer


def test_nothing_is_reachable_and_each_place_says_why(world: World, small: Path) -> None:
    with pytest.raises(UserError, match="no rehearsal of small runs here: `make up`") as said:
        found(small)
    assert said.value.status == 1
    assert not world.asked_aws
    world.in_sight, world.aws = True, UserError("the AWS credentials have expired")
    with pytest.raises(UserError, match="no rehearsal of small runs here, and on AWS: the AWS credent") as it:
        found(small)
    assert it.value.status == 2


@pytest.mark.parametrize(
    ("variables", "rehearsal", "expected"),
    [
        ({}, None, False),
        ({"AWS_PROFILE": "work"}, None, True),
        ({"AWS_WEB_IDENTITY_TOKEN_FILE": "/token"}, None, True),
        ({"AWS_ACCESS_KEY_ID": "a", "AWS_ENDPOINT_URL": "http://localhost:4566"}, None, True),
        (
            {"AWS_ACCESS_KEY_ID": "a", "AWS_ENDPOINT_URL": "http://localhost:4566"},
            "http://localhost:4566",
            False,
        ),
        ({"AWS_CONFIG_FILE": __file__}, None, True),
        ({"AWS_CONFIG_FILE": f"{__file__}.none"}, None, False),
    ],
)
def test_aws_is_in_sight_where_something_leads_to_credentials(
    variables: dict[str, str],
    rehearsal: str | None,
    expected: bool,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(place, "VENDOR", tmp_path / "vendor")
    assert place.is_in_sight(variables, rehearsal=rehearsal) is expected


def test_an_instance_of_ec2_has_the_credentials_of_its_role(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(place, "VENDOR", tmp_path / "vendor")
    (tmp_path / "vendor").write_text("Amazon EC2\n")
    assert place.is_in_sight({}, rehearsal=None)


# -- before a change -------------------------------------------------------------------------------------


def somewhere(servers: Path, name: str) -> Any:
    return Somewhere(name, load(str(servers)).cluster)


def test_a_change_in_a_rehearsal_or_with_yes_needs_no_answer(small: Path) -> None:
    place.agree(somewhere(small, place.REHEARSAL), "terminate one", yes=False)
    place.agree(somewhere(small, place.AWS), "terminate one", yes=True)


def test_a_change_on_aws_without_a_terminal_needs_yes(small: Path) -> None:
    with pytest.raises(UserError, match="nothing was changed on place aws: add --yes") as said:
        place.agree(somewhere(small, place.AWS), "terminate one", yes=False)
    assert said.value.status == 2


def test_a_change_on_aws_needs_the_cluster_s_name(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "_is_terminal", lambda: True)
    monkeypatch.setattr(click, "prompt", lambda *_, **__: "smal")
    with pytest.raises(UserError, match="nothing was changed") as said:
        place.agree(somewhere(small, place.AWS), "terminate one", yes=False)
    assert said.value.status == 1
    monkeypatch.setattr(click, "prompt", lambda *_, **__: "small")
    place.agree(somewhere(small, place.AWS), "terminate one", yes=False)
