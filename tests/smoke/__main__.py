"""The smoke test of an AWS account: deploy, use, heal, destroy, and prove that nothing unexpected is left.

    python -m tests.smoke [--yes] [--report FILE]     in the account of your usual credentials
    python -m tests.smoke --rehearse                  the same against the AWS of this machine

It asks once before it creates anything. Exit status: 0 every step kept its promise; 1 a step failed;
2 nothing was begun; 130 Ctrl-C. After a failure the output lists the remaining resources, with the command
that removes them.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from swarmer.adapters import aws
from swarmer.adapters.account import Account
from swarmer.adapters.stacks import Stacks
from swarmer.core import description, names
from swarmer.local import environment
from tests.smoke import leftovers
from tests.smoke.command import SWARMER, Failed, Swarmer
from tests.smoke.estimate import announcement
from tests.smoke.report import Report, Result, Verdict
from tests.smoke.steps import PAUSE_S, REHEARSED_PAUSE_S, STEPS, Run

SERVERS: Final = Path(__file__).parent / "servers.yml"
REPORT: Final = environment.STATE / "smoke-report.md"
BOOTSTRAP_STACK: Final = "CDKToolkit"
"""Name of the CDK's own stack, which all deployments of a region share."""


class Refused(Exception):
    """Nothing was begun; the text says why, and what to do."""


def say(text: str = "") -> None:
    """Print a text to the person who watches."""
    print(text, flush=True)  # noqa: T201 - the program's output


def main() -> int:
    options = _options()
    # A CI system that gives up ends the run as Ctrl-C does. A shell's background job ignores Ctrl-C at first.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)
    try:
        with _rehearsal(options) if options.rehearse else _usual() as variables:
            return smoke(options, variables)
    except Refused as exc:
        print(f"smoke test: {exc}", file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        print("smoke test: interrupted", file=sys.stderr)  # noqa: T201
        return 130


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.smoke",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--yes", action="store_true", help="do not ask before something is created")
    parser.add_argument("--rehearse", action="store_true", help="use the AWS of this machine")
    parser.add_argument("--retain", action="store_true", help="with --rehearse: leave it running, for a look")
    parser.add_argument(
        "--report", type=Path, default=REPORT, help=f"file of the report; its log is beside it [{REPORT}]"
    )
    parser.add_argument("-f", "--servers", type=Path, default=SERVERS, help="description of the cluster")
    parser.add_argument("--command", default=SWARMER, help="the command to test [.venv/bin/swarmer]")
    return parser.parse_args()


@contextmanager
def _usual() -> Iterator[Mapping[str, str]]:
    yield dict(os.environ)


@contextmanager
def _rehearsal(options: argparse.Namespace) -> Iterator[Mapping[str, str]]:
    """Environment that leads to the AWS of this machine, which ends with the block. Raises Refused."""
    start = f'eval "$({SWARMER} up -f {options.servers} --aws-only)" && env -0'
    try:
        # `eval` succeeds with nothing: then the endpoint is missing.
        done = subprocess.run(["bash", "-c", start], stdout=subprocess.PIPE, check=False)
        pairs = (each.partition("=") for each in done.stdout.decode().split("\0") if each)
        variables = {name: value for name, _, value in pairs}
        if "AWS_ENDPOINT_URL" not in variables:
            raise Refused("AWS on this machine did not start: the lines above say why")
        yield variables
    finally:
        if not options.retain:
            subprocess.run([SWARMER, "down", "-f", str(options.servers)], check=False)


def smoke(options: argparse.Namespace, variables: Mapping[str, str]) -> int:
    """Run every step, and write the report whatever happens. Raises Refused before anything is created."""
    run = _prepared(options, variables)
    if not (options.yes or options.rehearse):
        _ask()
    results = [Result(name=each.name, promise=each.promise) for each in STEPS]
    report = Report(
        place=f"the rehearsal, {run.account.region}" if options.rehearse else f"AWS, {run.account.region}",
        release=f"{version('swarmer')} ({_commit()})",
        began=datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        results=results,
        versions=run.versions,
    )
    try:
        _act(run, report)
    finally:
        # A second Ctrl-C ends the look at what is left, and the report is written all the same.
        try:
            _tell_what_is_left(run, report)
        except KeyboardInterrupt:
            report.left.append("unknown: the question was interrupted")
        options.report.parent.mkdir(parents=True, exist_ok=True)
        options.report.write_text(report.markdown())
        say(f"\n{report.verdict}. The report, without secrets: {options.report}")
        say(f"The whole output, with IDs and addresses: {run.swarmer.log}")
    return {Verdict.PASSED: 0, Verdict.INTERRUPTED: 130}.get(report.verdict, 1)


def _prepared(options: argparse.Namespace, variables: Mapping[str, str]) -> Run:
    """State of the run, announced to the person. Raises Refused if the account has the cluster already."""
    # For the SDK in this process: a profile of the operator would count more than the keys of a rehearsal.
    for name in os.environ.keys() - variables.keys():
        del os.environ[name]
    os.environ.update(variables)
    try:
        cluster = description.load(options.servers)
    except description.Invalid as exc:
        raise Refused("; ".join(map(str, exc.problems))) from exc
    log = options.report.with_suffix(".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    swarmer = Swarmer(
        servers=options.servers.resolve(), variables=variables, log=log, program=options.command
    )
    stacks = names.stack_names(cluster.name)
    try:
        account = Account()
        if not account.region:
            raise Refused("no region is set: export AWS_REGION, or take a profile that names one")
        place = f"account {account.id}, region {account.region}"
        present = Stacks(account).described(stacks)
    except aws.Unavailable as exc:
        raise Refused(f"AWS cannot be asked: {exc}") from exc
    if present:
        raise Refused(
            f"{place} has the stack {next(iter(present))} already: end that run, or remove it: "
            f"{swarmer.shown('destroy', '--yes')}"
        )
    try:
        say(announcement(cluster, place, stacks))
    except KeyError as exc:
        raise Refused(f"{options.servers}: tests/smoke/estimate.py has no price of {exc}") from exc
    pause_s = REHEARSED_PAUSE_S if options.rehearse else PAUSE_S
    return Run(swarmer=swarmer, account=account, cluster=cluster, pause_s=pause_s)


def _ask() -> None:
    """Ask once. Raises Refused."""
    if not sys.stdin.isatty():
        raise Refused("nothing was created: add --yes, or type this on a terminal")
    if input("\nGo on? Type yes: ").strip().lower() != "yes":
        raise Refused("nothing was created: the answer was not yes")


def _act(run: Run, report: Report) -> None:
    """Run the steps until one fails; the report has their verdicts."""
    for number, (step, result) in enumerate(zip(STEPS, report.results, strict=True), 1):
        began_s = time.monotonic()
        try:
            say(f"\n[{number}/{len(STEPS)}] {step.name}: {step.promise}")
            result.finding = step.act(run)
            result.verdict = Verdict.PASSED
        except KeyboardInterrupt:
            result.verdict, result.finding = Verdict.INTERRUPTED, "Ctrl-C"
        except (Failed, aws.Unavailable) as exc:
            result.verdict, result.finding = Verdict.FAILED, str(exc)
            report.log = exc.log if isinstance(exc, Failed) else ()
        except Exception as exc:
            # The report is for exactly this: something that nobody expected.
            result.verdict, result.finding = Verdict.FAILED, f"{type(exc).__name__}: {exc}"
        result.seconds = time.monotonic() - began_s
        say(f"    {result.verdict} in {result.seconds:.0f} s: {result.finding}")
        if result.verdict is not Verdict.PASSED:
            return


def _tell_what_is_left(run: Run, report: Report) -> None:
    """Say what the account still has, and which commands remove it."""
    cluster = run.cluster.name
    try:
        if not run.resources:
            run.resources = leftovers.recorded(run.account, cluster)
        run.left = leftovers.everything(run.account, cluster, run.resources)
        is_bootstrapped = bool(Stacks(run.account).described((BOOTSTRAP_STACK,)))
    except Exception as exc:  # also a type of resource without a question
        stacks = ", ".join(names.stack_names(cluster))
        say(f"\nAWS did not answer what is left ({exc}): look for the stacks {stacks}.")
        say(f"This removes them: {run.swarmer.shown('destroy', '--yes')}")
        report.left.append(f"unknown, because AWS did not answer: {exc}")
        return
    report.secrets = tuple(each.id for each in run.left if each.kind == "AWS::S3::Bucket")
    report.left.extend(leftovers.summary(run.left))
    if is_bootstrapped:
        report.left.append(f"stack {BOOTSTRAP_STACK}, which all deployments of the CDK in a region share")
    say("\n" + "\n".join(_leftover_lines(run, is_bootstrapped)))


def _leftover_lines(run: Run, is_bootstrapped: bool) -> Iterator[str]:
    unwanted = [each for each in run.left if not each.is_retained]
    retained = [each for each in run.left if each.is_retained]
    yield f"Left in account {run.account.id}, region {run.account.region}:"
    yield from (f"  {each}" for each in leftovers.summary(run.left))
    if not run.left:
        yield "  nothing of the cluster"
    if any("_IN_PROGRESS" in each.id for each in unwanted):
        yield "CloudFormation is still at work. If the command below refuses, type it again after the end."
    if unwanted:
        yield "These cost money. This command removes all but what is meant to stay:"
        yield f"  {run.swarmer.shown('destroy', '--yes')}"
    for each in retained:
        yield f"The bucket holds the images. {'Then this' if unwanted else 'This'} empties and deletes it:"
        yield f"  {leftovers.removal(each.id)}"
    if is_bootstrapped:
        yield f"The stack {BOOTSTRAP_STACK} and its bucket belong to the CDK, not to this cluster."


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=environment.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown commit"


if __name__ == "__main__":
    sys.exit(main())
