"""The original's options, and ours: from a command line, or from servers.yml by way of node.json."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from typing import Any, Final

from swarmer.core import validation
from swarmer.core.registration.metadata import sound
from swarmer.core.registration.templates import Template
from swarmer.core.validation import InvalidValue, listed, shown, truth

DEREGISTER: Final = ("always", "on-success")
LARGEST: Final = 10**9


@dataclass(frozen=True, kw_only=True)
class Options:
    """How containers are declared; the defaults are the original's unless said otherwise."""

    hostname: str = ""
    """Begins the ids of services, and marks them."""
    address: str = ""
    """Of this host: what the host name resolves to, or what the node's description says."""
    engine: str = ""
    """The Docker engine's own id."""
    reserved: frozenset[str] = frozenset()
    """Names and ids of services that others declare: no container takes them. In small letters."""
    ip: str = ""
    """Force this address."""
    internal: bool = False
    """The container's address and port instead of the published ones."""
    explicit: bool = False
    """Only what has a SERVICE_NAME."""
    use_ip_from_label: str = ""
    network: str = ""
    """In internal mode: the network whose address is taken. Not the original's."""
    tags: Template = field(default_factory=lambda: Template(""))
    """For every service."""
    cleanup: bool = False
    """Accepted: what is gone is always removed here."""
    deregister: str = "always"
    resync: int = 0
    """Seconds between two full comparisons; 0: from time to time (the original: never)."""
    ttl: int = 0
    ttl_refresh: int = 0
    """Accepted: for Consul they do nothing, in the original either."""
    retry_attempts: int = -1
    """More attempts to reach Consul at the start; -1: for ever (the original: none)."""
    retry_interval: int = 2000
    """Milliseconds."""

    def __post_init__(self) -> None:
        """Raises InvalidValue where options contradict each other."""
        faults(self.ttl, self.ttl_refresh)
        # A kernel's host name may be any bytes; these three go into entries as they are.
        for key in ("hostname", "address", "ip"):
            object.__setattr__(self, key, sound(getattr(self, key)))


def faults(ttl: int, ttl_refresh: int) -> None:
    """Raises InvalidValue where one stands alone, or the refresh comes too late."""
    if (ttl or ttl_refresh) and not ttl > ttl_refresh > 0:
        raise InvalidValue(
            f"ttl {ttl} with ttl-refresh {ttl_refresh}", "set both or none, and ttl to more than ttl-refresh"
        )


LONGEST_TEXT: Final = 255
LONGEST_TEMPLATE: Final = 1024
"""Both as node.json carries them: user-data has room for so much, and no more."""


def _text(value: object) -> str:
    return sound(validation.text(value))


def _bounded(value: object, longest: int = LONGEST_TEXT) -> str:
    text = _text(value)
    size = len(json.dumps(text)) - len('""')
    if size > longest:
        advice = f"take at most {longest}; a quote counts 2, a character beyond ASCII 6 or 12"
        raise InvalidValue(f"the text counts {size} characters", advice)
    return text


def _address(value: object) -> str:
    """An IP address, as it was written; an empty one forces nothing."""
    try:
        text = _text(value)
        # A zone (fe80::1%eth0) means nothing to anybody else; whoever connects to 0.0.0.0 reaches himself.
        if text and ("%" in text or ip_address(text).is_unspecified):
            raise ValueError
    except ValueError:
        raise InvalidValue(
            f"{shown(value)} is no IP address of a host", "write one, like 10.42.0.10"
        ) from None
    return text


def _mode(value: object) -> str:
    if value not in DEREGISTER:
        raise InvalidValue(f"{shown(value)} is no way to deregister", f"take {' or '.join(DEREGISTER)}")
    return str(value)


def _number(low: int) -> Callable[[object], int]:
    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise InvalidValue(
                f"{shown(value)} is not a whole number", f"write {low} or more, without quotes"
            )
        if not low <= value <= LARGEST:
            raise InvalidValue(f"{shown(value)} is out of range", f"take {low} to {LARGEST}")
        return value

    return check


def _template(value: object) -> str:
    text = _bounded(value, LONGEST_TEMPLATE)
    Template(text)
    return text


RULES: Final[Mapping[str, Callable[[object], Any]]] = {
    "ip": _address,
    "internal": truth,
    "explicit": truth,
    "use_ip_from_label": _bounded,
    "network": _bounded,
    "tags": _template,
    "cleanup": truth,
    "deregister": _mode,
    "resync": _number(0),
    "ttl": _number(0),
    "ttl_refresh": _number(0),
    "retry_attempts": _number(-1),
    "retry_interval": _number(1),
}
"""What servers.yml may say under `registrator:`, but for `script_checks`, which Consul is told; each rule
gives the value or raises InvalidValue."""


def from_description(values: Mapping[str, object], **who: Any) -> Options:
    """Options from `registrator:` of servers.yml; unknown keys, which may be newer, are ignored.

    Raises InvalidValue.
    """
    known = {key: rule(values[key]) for key, rule in RULES.items() if key in values}
    return _made(known, who)


def _made(values: dict[str, Any], who: Mapping[str, Any]) -> Options:
    if "tags" in values:
        values["tags"] = Template(values["tags"])
    return Options(**{**values, **who})


# -- a command line, in the way of Go's flag package ------------------------------------------

FLAGS: Final = {
    "hostname": "hostname",
    **{key.replace("_", "-"): key for key in RULES if key != "use_ip_from_label"},
    "useIpFromLabel": "use_ip_from_label",
}
"""Flag, without its dashes, to field."""
TRUE: Final = ("1", "t", "T", "true", "TRUE", "True")
FALSE: Final = ("0", "f", "F", "false", "FALSE", "False")
_BOOLEANS: Final = frozenset(each.name for each in fields(Options) if each.type == "bool")
_NUMBERS: Final = frozenset(each.name for each in fields(Options) if each.type == "int")


def from_arguments(arguments: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Values by field, and the words after the flags: -x v, -x=v, --x; booleans -x, -x=false.

    Raises InvalidValue.
    """
    rest = list(arguments)
    values: dict[str, Any] = {}
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        name, has_value, value = word.removeprefix("-").removeprefix("-").partition("=")
        if name not in FLAGS:
            raise InvalidValue(
                f"{word[:60]} is no option", f"take {listed([f'-{flag}' for flag in FLAGS], most=99)}"
            )
        key = FLAGS[name]
        if key in _BOOLEANS:
            values[key] = _boolean(name, value if has_value else "true")
            continue
        if not has_value:
            if not rest:
                raise InvalidValue(f"-{name} has no value", f"write -{name} VALUE or -{name}=VALUE")
            value = rest.pop(0)
        try:
            values[key] = RULES.get(key, _text)(_whole(name, value) if key in _NUMBERS else value)
        except InvalidValue as invalid:
            raise InvalidValue(f"-{name}: {invalid.message}", invalid.advice) from None
    return values, rest


def options(values: dict[str, Any], **who: str) -> Options:
    """What `from_arguments` found, as Options. Raises InvalidValue."""
    return _made(dict(values), {key: each for key, each in who.items() if key not in values})


def _boolean(name: str, text: str) -> bool:
    if text not in TRUE + FALSE:
        raise InvalidValue(
            f"-{name}={text[:60]} is neither true nor false", f"write -{name} or -{name}=false"
        )
    return text in TRUE


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidValue(
            f"-{name} {text[:60]} is not a whole number", f"write -{name} 10, for example"
        ) from None
