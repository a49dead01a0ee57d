"""Options of the original, and some more, from a command line, or from servers.yml by way of node.json."""

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
"""Modes of `deregister`."""
LARGEST: Final = 10**9
"""Largest number that an option takes."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options for declaring containers; the defaults are the original's unless stated otherwise."""

    hostname: str = ""
    """Host name that begins the IDs of services, and marks them."""
    address: str = ""
    """Address of this host: from its name, or from the node's description."""
    engine: str = ""
    """ID of the Docker engine."""
    reserved: frozenset[str] = frozenset()
    """Names and IDs, in small letters, of services of other programs; containers cannot take them."""
    ip: str = ""
    """Address that every service gets."""
    internal: bool = False
    """Whether to declare the container's address and port instead of the published ones."""
    explicit: bool = False
    """Whether to declare only ports with a SERVICE_NAME."""
    use_ip_from_label: str = ""
    network: str = ""
    """Network whose address is taken in internal mode. The original has no such option."""
    tags: Template = field(default_factory=lambda: Template(""))
    """Template of tags for every service."""
    cleanup: bool = False
    """Option without effect: entries of ended containers are always removed here."""
    deregister: str = "always"
    resync: int = 0
    """Seconds between two full comparisons; 0 means from time to time (the original: never)."""
    ttl: int = 0
    ttl_refresh: int = 0
    """Option without effect on Consul, like `ttl`; the same is true of the original."""
    retry_attempts: int = -1
    """Number of further attempts to reach Consul at the start; -1: no limit (the original: 0)."""
    retry_interval: int = 2000
    """Milliseconds between two attempts."""

    def __post_init__(self) -> None:
        """Check the options against each other. Raises InvalidValue if they contradict each other."""
        faults(self.ttl, self.ttl_refresh)
        # A kernel's host name may be any bytes, and entries contain these three values unchanged.
        for key in ("hostname", "address", "ip"):
            object.__setattr__(self, key, sound(getattr(self, key)))


def faults(ttl: int, ttl_refresh: int) -> None:
    """Check the two options. Raises InvalidValue if only one is set, or if the refresh comes too late."""
    if (ttl or ttl_refresh) and not ttl > ttl_refresh > 0:
        raise InvalidValue(
            f"ttl {ttl} with ttl-refresh {ttl_refresh}", "set both or none, and ttl to more than ttl-refresh"
        )


LONGEST_TEXT: Final = 255
"""Maximum length of a text as node.json carries it."""
LONGEST_TEMPLATE: Final = 1024
"""Maximum length of a template as node.json carries it. The size of user-data limits both."""


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
    """Return an IP address as it was written; empty: no forced address."""
    try:
        text = _text(value)
        # Other hosts cannot use a zone (fe80::1%eth0), and a client that connects to 0.0.0.0 reaches itself.
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
"""Rules for the keys of `registrator:` in servers.yml, except `script_checks`, which configures Consul. Each
rule returns the value or raises InvalidValue."""


def from_description(values: Mapping[str, object], **who: Any) -> Options:
    """Return the options from `registrator:` of servers.yml. Raises InvalidValue.

    Unknown keys are ignored, because the description may be newer.
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
"""Field of each flag; flags are given without their dashes."""
TRUE: Final = ("1", "t", "T", "true", "TRUE", "True")
"""Texts that mean true."""
FALSE: Final = ("0", "f", "F", "false", "FALSE", "False")
"""Texts that mean false."""
_BOOLEANS: Final = frozenset(each.name for each in fields(Options) if each.type == "bool")
_NUMBERS: Final = frozenset(each.name for each in fields(Options) if each.type == "int")


def from_arguments(arguments: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Return the values by field, and the arguments after the flags. Raises InvalidValue.

    Flags are -x v, -x=v and --x; booleans are -x and -x=false.
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
    """Return Options from the values of `from_arguments`. Raises InvalidValue."""
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
