"""Sessions of AWS Session Manager: AWS's session-manager-plugin connects the terminal with the instance.

The plugin gets the same arguments as from the AWS CLI: a variable of the environment contains the response of
StartSession. A plugin up to 1.2.497.0, or of an unreadable version, gets it as its first argument.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from swarmer.adapters import aws, process
from swarmer.adapters.operator import Account

PLUGIN: Final = "session-manager-plugin"
VARIABLE: Final = "AWS_SSM_START_SESSION_RESPONSE"
"""Variable with the response. Its name is also the argument that stands in place of the response."""
LAST_WITH_ARGUMENT: Final = (1, 2, 497, 0)
"""Last version of the plugin that ignores the variable."""
COMMAND_DOCUMENT: Final = "AWS-StartInteractiveCommand"
"""AWS's document for a session that runs one command instead of a shell."""
VERSION_TIMEOUT_S: Final = 10.0
HOW_TO_GET: Final = "https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html"


class PluginMissing(Exception):
    """The plugin is missing or does not run; the text has the remedy."""


@dataclass(frozen=True)
class Plugin:
    """Installed plugin."""

    version: tuple[int, ...]
    """Parts of its version; empty if it cannot be read."""

    @property
    def reads_variable(self) -> bool:
        return self.version > LAST_WITH_ARGUMENT

    def command(
        self, response: str, *, region: str, profile: str, parameters: str, endpoint: str
    ) -> list[str]:
        """Command line for a started session."""
        first = VARIABLE if self.reads_variable else response
        return [PLUGIN, first, region, "StartSession", profile, parameters, endpoint]


def find_plugin() -> Plugin:
    """Ask the plugin for its version. Raises PluginMissing."""
    try:
        text = process.run([PLUGIN, "--version"], timeout_s=VERSION_TIMEOUT_S)
    except process.Failed as exc:
        raise PluginMissing(f"{PLUGIN} is missing: {HOW_TO_GET} has it for each system") from exc
    parts = text.strip().split(".")
    return Plugin(tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else ())


def request(instance_id: str, command: str = "") -> dict[str, Any]:
    """Arguments of StartSession: for a shell, or for one command line of it."""
    if not command:
        return {"Target": instance_id}
    return {
        "Target": instance_id,
        "DocumentName": COMMAND_DOCUMENT,
        "Parameters": {"command": [command]},
    }


def run(account: Account, wanted: Mapping[str, Any], *, profile: str = "") -> int:
    """Connect the terminal until the session ends; return the plugin's exit status.

    `wanted`: arguments of StartSession. `profile`: a profile that the environment does not name. Raises
    PluginMissing before the start of a session.
    """
    plugin = find_plugin()
    ssm = account.client("ssm")
    with aws.translated():
        started = ssm.start_session(**wanted)
    response = {key: started[key] for key in ("SessionId", "TokenValue", "StreamUrl")}
    text = json.dumps(response)
    argv = plugin.command(
        text,
        region=account.region,
        profile=profile,
        parameters=json.dumps(dict(wanted)),
        endpoint=ssm.meta.endpoint_url,
    )
    status = _handed_over(argv, {VARIABLE: text} if plugin.reads_variable else {})
    if status:
        # The plugin ends its session. A session that it could not open would stay for 20 minutes.
        with contextlib.suppress(aws.Unavailable), aws.translated():
            ssm.terminate_session(SessionId=response["SessionId"])
    return status


def _handed_over(argv: Sequence[str], variables: Mapping[str, str]) -> int:
    with _keys_for_child():
        try:
            return subprocess.run(argv, env=os.environ | variables, check=False).returncode
        except OSError:
            return 127


@contextlib.contextmanager
def _keys_for_child() -> Iterator[None]:
    """Ignore the interrupting keys, because they are for the program in the session."""
    keys = (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP)
    before = [signal.signal(key, signal.SIG_IGN) for key in keys]
    try:
        yield
    finally:
        for key, handler in zip(keys, before, strict=True):
            signal.signal(key, handler)
