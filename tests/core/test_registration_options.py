"""Options, in the way of Go's flags, and -tags. Rules 1 to 5 and 33."""

from __future__ import annotations

from typing import Any

import pytest

from swarmer.core.registration.options import FLAGS, Options, from_arguments, from_description, options
from swarmer.core.registration.templates import Template
from swarmer.core.validation import InvalidValue
from tests.core.inspected import ID, container, planned, service
from tests.core.inspected import options as of_n1


def test_one_dash_or_two_and_a_value_behind_or_after_an_equals_sign() -> None:
    for words in (["-ip", "1.2.3.4"], ["-ip=1.2.3.4"], ["--ip", "1.2.3.4"], ["--ip=1.2.3.4"]):
        assert from_arguments([*words, "consul:"]) == ({"ip": "1.2.3.4"}, ["consul:"])


def test_a_boolean_takes_its_value_only_after_an_equals_sign() -> None:
    assert from_arguments(["-internal", "consul:"]) == ({"internal": True}, ["consul:"])
    assert from_arguments(["-internal=false"]) == ({"internal": False}, [])
    with pytest.raises(InvalidValue, match="neither true nor false"):
        from_arguments(["-internal=maybe"])


def test_options_end_at_the_first_word_that_is_none() -> None:
    assert from_arguments(["consul://h:8500", "-ip", "1.2.3.4"]) == (
        {},
        ["consul://h:8500", "-ip", "1.2.3.4"],
    )
    assert from_arguments(["--", "-ip"]) == ({}, ["-ip"])


def test_every_option_of_the_original_is_known() -> None:
    words = ["ip", "internal", "explicit", "useIpFromLabel", "tags", "cleanup", "deregister", "resync", "ttl"]
    assert {*words, "ttl-refresh", "retry-attempts", "retry-interval", "hostname"} <= FLAGS.keys()


@pytest.mark.parametrize(
    "words",
    [
        ["-nothing"],
        ["-ip"],
        ["-resync", "x"],
        ["-resync=-1"],
        ["-deregister", "sometimes"],
        ["-retry-interval=0"],
        ["-retry-attempts=-2"],
        ["-tags", "{{ .Name"],
        ["-tags", "x" * 1025],
        ["-network", "x" * 256],
        ["-useIpFromLabel", "x" * 256],
    ],
    ids=" ".join,
)
def test_what_is_wrong_is_said_with_what_would_be_right(words: list[str]) -> None:
    with pytest.raises(InvalidValue) as refused:
        from_arguments([*words])
    assert refused.value.advice


@pytest.mark.parametrize("text", ["10.0.0.4", "2001:db8::1", ""])
def test_an_address_is_forced_as_it_was_written_and_an_empty_one_is_none(text: str) -> None:
    assert from_arguments(["-ip", text]) == ({"ip": text}, [])


@pytest.mark.parametrize("text", ["foo", "10.0.0", "10.0.0.4:80", "0.0.0.0", "::", "fe80::1%eth0", " "])
def test_what_is_no_address_of_a_host_is_no_address_of_a_service(text: str) -> None:
    with pytest.raises(InvalidValue, match="is no IP address of a host; write one, like"):
        from_arguments(["-ip", text])


@pytest.mark.parametrize(("ttl", "refresh"), [(30, 0), (0, 10), (10, 10), (5, 10)])
def test_ttl_and_its_refresh_go_together(ttl: int, refresh: int) -> None:
    with pytest.raises(InvalidValue):
        Options(ttl=ttl, ttl_refresh=refresh)
    assert Options(ttl=30, ttl_refresh=10).ttl == 30


def test_an_option_given_beats_who_this_host_is() -> None:
    values, _ = from_arguments(["-hostname", "h1"])
    assert options(values, hostname="n1", address="10.0.0.4") == Options(hostname="h1", address="10.0.0.4")


def test_node_json_may_know_options_that_this_software_does_not() -> None:
    given = {"internal": True, "tags": "a", "colour": "red", "script_checks": True}
    found = from_description(given, hostname="n1", address="a")
    assert found == Options(internal=True, tags=Template("a"), hostname="n1", address="a")
    with pytest.raises(InvalidValue):
        from_description({"internal": "yes"})


@pytest.mark.parametrize("resync", [True, "30", 1.5, None])
def test_a_number_of_the_description_is_a_whole_number(resync: object) -> None:
    with pytest.raises(InvalidValue, match="is not a whole number"):
        from_description({"resync": resync})


# -- templates --------------------------------------------------------------------------------

INSPECTED = container(
    name="/web.1",
    env=["PATH=/bin", "REGION=eu", "SERVICE_TAGS=own"],
    labels={"team": "blue", "json": '{"a": {"b": [1, 2]}}'},
)


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("plain", "plain"),
        ("{{ .Name }}", "/web.1"),
        ("{{ strSlice .ID 0 12 }}", ID[:12]),
        ("{{ strSlice .ID 60 }}{{ strSlice .ID 60 -1 }}", "cccccccc"),
        ("{{ .Config.Env }}", "[PATH=/bin REGION=eu SERVICE_TAGS=own]"),
        ("{{ sIndex 0 .Config.Env }}{{ sIndex -1 .Config.Env }}", "PATH=/binSERVICE_TAGS=own"),
        ("{{ sIndex 99 .Config.Env }}{{ sIndex -99 .Config.Env }}", "SERVICE_TAGS=ownPATH=/bin"),
        ('{{ mIndex "team" .Config.Labels }}{{ mIndex "no" .Config.Labels }}', "blue"),
        ('{{ index .Config.Labels "team" | toUpper }}', "BLUE"),
        ('{{ toLower "AbC" }}', "abc"),
        ('{{ replace -1 "." "-" .Name }}{{ replace 1 "a" "b" "aa" }}', "/web-1ba"),
        ('{{ join "+" .Config.Env }}', "PATH=/bin+REGION=eu+SERVICE_TAGS=own"),
        ('{{ split "." .Name }}', "[/web 1]"),
        ('{{ splitIndex 0 "." .Name }}{{ splitIndex -1 "." .Name }}{{ splitIndex 9 "." .Name }}', "/web11"),
        ('{{ matchFirstElement "^REG" .Config.Env }}', "REGION=eu"),
        ('a{{ matchFirstElement "^NONE" .Config.Env }}', "a"),
        ('{{ matchAllElements "^[PR]" .Config.Env }}', "[PATH=/bin REGION=eu]"),
        ('{{ jsonParse (index .Config.Labels "json") "a::b::1" }}', "2"),
        ('{{ matchFirstElement "^REG" .Config.Env | split "=" | sIndex 1 }}', "eu"),
        ('{{ if eq .Name "/web.1" }}a{{ else }}b{{ end }}', "a"),
        ("{{ if .Nothing }}a{{ else if .Name }}b{{ else }}c{{ end }}", "b"),
        ("{{ range .Config.Env }}<{{ . }}>{{ end }}", "<PATH=/bin><REGION=eu><SERVICE_TAGS=own>"),
        ("{{ with .Config }}{{ .Image }} {{ $.Name }}{{ end }}", "redis:7 /web.1"),
        ("a {{- .Name -}} b", "a/web.1b"),
        ("{{/* a remark */}}x", "x"),
        ("{{ printf `%s-%d` .Name 3 }}", "/web.1-3"),
        ("{{ len .Config.Env }}", "3"),
        (r'{{ "a\"b" }}', 'a"b'),
        ("{{ .Nothing }}", ""),
    ],
)
def test_a_template_says_what_the_originals_does(text: str, rendered: str) -> None:
    assert Template(text).render(INSPECTED) == rendered


@pytest.mark.parametrize(
    "text",
    [
        *("{{", "{{ .Name", "{{ foo }}", "{{ end }}", "{{ if .Name }}", "{{ }}", "{{ (.Name }}"),
        *("{{ .Name) }}", "{{ .Name | }}", "{{ & }}", "{{ else }}", "{{ httpGet `x` }}", "{{ '"),
        "{{" + "(" * 5000 + "}}",
    ],
)
def test_what_is_no_template_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(InvalidValue):
        Template(text)


@pytest.mark.parametrize(
    "text",
    [
        *("{{ .Name.First }}", "{{ strSlice 1 2 }}", "{{ toUpper .Config }}", "{{ .Name .ID }}"),
        *("{{ range .Name }}{{ end }}", '{{ matchAllElements "(" .Config.Env }}', '{{ jsonParse "x" "a" }}'),
        "{{ index .Config.Env 99 }}",
    ],
)
def test_a_template_that_fails_for_a_container_costs_only_its_tags(text: str) -> None:
    found = planned(INSPECTED, of_n1(tags=Template(f"a,{text}")))
    assert found.services[0].tags == ("own",)
    assert len(found.complaints) == 1


def test_a_template_is_rendered_before_it_is_split_and_stands_behind_the_own_tags() -> None:
    who = of_n1(tags=Template('{{ join "," .Config.Env }}'))
    assert service(INSPECTED, who).tags == ("own", "PATH=/bin", "REGION=eu", "SERVICE_TAGS=own")


def test_a_range_in_a_range_ends() -> None:
    text = "{{ range .Config.Env }}" * 6 + "x" + "{{ end }}" * 6
    many: dict[str, Any] = container(env=[str(number) for number in range(50)])
    text = text.replace(".Config.Env", "$.Config.Env")
    assert planned(many, of_n1(tags=Template(text))).complaints


def test_templates_are_equal_if_their_texts_are() -> None:
    """A comparison of options tells whether the registrator has to declare everything again."""
    assert Template("a") == Template("a")
    assert Template("a") != Template("b")
    assert Template("a") != "a"
    assert len({Template("a"), Template("a"), Template("b")}) == 2
