"""Command line of this checkout's CDK, for AWS and for the AWS of this machine."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from swarmer.adapters import process
from swarmer.core.errors import UserError
from swarmer.local import environment, host

APP: Final = environment.ROOT
"""Folder of this checkout's cdk.json."""
QUIET: Final = {
    "CDK_DISABLE_VERSION_CHECK": "1",
    "CDK_DISABLE_CLI_TELEMETRY": "1",
    "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
    "JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION": "1",
    "NO_COLOR": "1",
}
IMPORTING: Final = ("--method", "change-set", "--import-existing-resources")
"""Options of a deploy that imports a bucket of a deleted stack. Only change sets can do that."""
CONCURRENCY: Final = "4"
"""Number of stacks that are deployed at the same time, if their order permits it."""


@dataclass(frozen=True, kw_only=True)
class Cdk:
    """The CDK's command for one description and one account."""

    servers: Path
    """Path of the servers.yml that describes the cluster."""
    folder: Path
    """Folder of the logs and of the synthesised app."""
    variables: Mapping[str, str]
    """Environment: credentials, region and endpoint are the usual variables of AWS's SDKs."""
    app: Path = APP
    """Folder of cdk.json."""

    @property
    def assembly(self) -> Path:
        """Folder of the synthesised app: the templates and their assets."""
        return self.folder / "cdk.out"

    def log(self, verb: str) -> Path:
        """File with the whole output of a command."""
        return self.folder / f"cdk-{verb}.log"

    def bootstrap(self, account: str, region: str, *options: str) -> None:
        """Run `cdk bootstrap`, in a folder without cdk.json, so that it does not synthesise an app first."""
        self._run("bootstrap", f"aws://{account}/{region}", *options, cwd=self.folder)

    def synthesise(self) -> None:
        """Run `cdk synth`. Raises UserError with its last lines."""
        context = f"servers={self.servers}"
        self._run("synth", "--quiet", "--context", context, "--output", str(self.assembly))

    def resources(self, stack: str) -> int:
        """Number of resources in a synthesised template."""
        return len(json.loads((self.assembly / f"{stack}.template.json").read_text())["Resources"])

    def diff(self, stacks: Sequence[str]) -> str:
        """Run `cdk diff`, which compares templates, on deployed stacks; return its output."""
        self._run("diff", *stacks, "--app", str(self.assembly), "--method", "template", "--exclusively")
        return self.log("diff").read_text(errors="replace").strip()

    @contextmanager
    def deploying(self, *options: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run `cdk deploy --all` on the synthesised app beside the block.

        An exception of the block kills it.
        """
        with self._beside("deploy", *options, "--require-approval", "never") as running:
            yield running

    @contextmanager
    def destroying(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run `cdk destroy --all` on the synthesised app beside the block, like `deploying`."""
        with self._beside("destroy", "--force") as running:
            yield running

    def failure(self, verb: str, lines: int = 15) -> UserError:
        """Error with the last lines of a command."""
        return UserError(
            f"cdk {verb} failed:\n{tail(self.log(verb), lines)}\n(all of it: {self.log(verb)})", status=1
        )

    @contextmanager
    def _beside(self, verb: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
        argv = self._argv(verb, "--all", "--app", str(self.assembly), "--concurrency", CONCURRENCY, *options)
        with process.logged(argv, self.log(verb), env=self._environment(), cwd=self.app) as running:
            yield running

    def _run(self, verb: str, *argv: str, cwd: Path | None = None) -> None:
        command = self._argv(verb, *argv)
        if process.run_logged(command, self.log(verb), env=self._environment(), cwd=cwd or self.app):
            raise self.failure(verb)

    def _argv(self, verb: str, *argv: str) -> list[str]:
        return [str(host.CDK), verb, "--no-notices", "--no-version-reporting", "--ci", *argv]

    def _environment(self) -> dict[str, str]:
        return host.node_environment({**self.variables, **QUIET})


def tail(log: Path, lines: int) -> str:
    """Last lines of a file."""
    return "\n".join(log.read_text(errors="replace").rstrip().splitlines()[-lines:])
