"""Checks of services, from SERVICE_CHECK_… settings to the words of Consul's API."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from swarmer.core.registration.metadata import Settings
from swarmer.core.service import CRITICAL, PASSING, STATUSES, WARNING
from swarmer.core.state import Container
from swarmer.core.validation import listed

DEFAULT_INTERVAL: Final = "10s"
"""Interval of a check that sets none."""
KINDS: Final = ("http", "https", "cmd", "script", "ttl", "tcp", "grpc")
"""Kinds of checks; the first that is set is used."""
DETAILS: Final = frozenset(
    {
        *("interval", "timeout", "initial_status", "deregister_after"),
        *("http_method", "https_method", "grpc_use_tls", "tls_skip_verify"),
    }
)
"""Keys that refine a check of any kind."""
_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART: Final = r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)"
LONGEST_DURATION_S: Final = 290 * 365 * 86400.0
"""Longest Go duration in seconds: 2⁶³ ns."""
HEALTH: Final = {"healthy": PASSING, "starting": WARNING, "unhealthy": CRITICAL}
"""Status in Consul for each status in Docker. `starting` is a warning: Consul's DNS returns such a service by
default, and with `only_passing` only when it is healthy."""
LONGEST_OUTPUT: Final = 1024
"""Maximum length of a check's output."""


@dataclass(frozen=True)
class Target:
    """Service that a check tests."""

    address: str
    port: int
    container: str
    """Container ID, first 12 digits."""
    container_port: str

    @property
    def authority(self) -> str:
        """Address and port as `address:port`, for URLs too."""
        # A service without an address has the agent's address, and the agent runs the check.
        host = self.address or "127.0.0.1"
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


def check(settings: Settings, target: Target, complain: list[str]) -> dict[str, Any] | None:
    """Return the one check of a service; None if no kind is set. An invalid field is dropped; the service
    stays."""
    given = {key[6:]: value for key, value in settings.values.items() if key.startswith("check_") and value}
    if unknown := sorted(given.keys() - DETAILS - set(KINDS)):
        keys = listed([f"SERVICE_CHECK_{key.upper()[:40]}" for key in unknown])
        complain.append(f"{keys}: no check that is known here")
    kind = next((kind for kind in KINDS if kind in given), None)
    if kind is None:
        return None
    if kind == "ttl":
        ttl = _duration(given, "ttl", complain)
        return {"TTL": ttl, **_common(given, complain)} if ttl else None
    found = _BY_KIND[kind](given, target)
    if kind in ("http", "https", "tcp", "grpc") and (timeout := _duration(given, "timeout", complain)):
        found["Timeout"] = timeout
    return {
        **found,
        "Interval": _duration(given, "interval", complain) or DEFAULT_INTERVAL,
        **_common(given, complain),
    }


def _common(given: Mapping[str, str], complain: list[str]) -> dict[str, Any]:
    found = {}
    if status := given.get("initial_status"):
        if status in STATUSES:
            found["Status"] = status
        else:
            complain.append(f"SERVICE_CHECK_INITIAL_STATUS: {status[:40]} is none of {', '.join(STATUSES)}")
    if after := _duration(given, "deregister_after", complain):
        found["DeregisterCriticalServiceAfter"] = after
    return found


def _duration(given: Mapping[str, str], key: str, complain: list[str]) -> str:
    """Return the value if it is a positive Go duration, as Consul demands; else an empty text."""
    text = given.get(key, "")
    parts = re.findall(_PART, text)
    total_s = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if text and re.fullmatch(rf"\+?({_PART})+", text) and 0 < total_s < LONGEST_DURATION_S:
        return text
    if text:
        complain.append(f"SERVICE_CHECK_{key.upper()}: {text[:40]} is no duration like 10s")
    return ""


def _http(scheme: str) -> Callable[[Mapping[str, str], Target], dict[str, Any]]:
    def definition(given: Mapping[str, str], target: Target) -> dict[str, Any]:
        found: dict[str, Any] = {"HTTP": f"{scheme}://{target.authority}{given[scheme]}"}
        if method := given.get(f"{scheme}_method"):
            found["Method"] = method
        if scheme == "https" and given.get("tls_skip_verify"):
            found["TLSSkipVerify"] = True
        return found

    return definition


def _script(given: Mapping[str, str], target: Target) -> dict[str, Any]:
    script = given["script"].replace("$SERVICE_IP", target.address).replace("$SERVICE_PORT", str(target.port))
    return {"Args": ["/bin/sh", "-c", script]}


def _cmd(given: Mapping[str, str], target: Target) -> dict[str, Any]:
    return {"Args": ["check-cmd", target.container, target.container_port, given["cmd"]]}


def _tcp(_: Mapping[str, str], target: Target) -> dict[str, Any]:
    return {"TCP": target.authority}


def _grpc(given: Mapping[str, str], target: Target) -> dict[str, Any]:
    found: dict[str, Any] = {"GRPC": target.authority}
    if given.get("grpc_use_tls"):
        found["GRPCUseTLS"] = True
        if given.get("tls_skip_verify"):
            found["TLSSkipVerify"] = True
    return found


_BY_KIND: Final[Mapping[str, Callable[[Mapping[str, str], Target], dict[str, Any]]]] = {
    "http": _http("http"),
    "https": _http("https"),
    "cmd": _cmd,
    "script": _script,
    "tcp": _tcp,
    "grpc": _grpc,
}


def health(container: Container) -> tuple[str | None, str]:
    """Return the status of a HEALTHCHECK in Consul's words, and its last output; None if there is none."""
    status = HEALTH.get(container.health)
    return status, container.health_output[:LONGEST_OUTPUT] if status else ""
