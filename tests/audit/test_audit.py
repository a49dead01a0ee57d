"""`make audit-deps`, with the real pip-audit and a stand-in for the database of vulnerabilities."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.audit import __main__ as audit
from tests.audit import pins
from tests.docs.pages import ROOT
from tests.make import ensure_virtualenv
from tests.make import run as make

ID = "PYSEC-2026-1"


class Database(ThreadingHTTPServer):
    """OSV's API: it knows one vulnerability of requests, or refuses everything."""

    def __init__(self, *, refuses: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.refuses = refuses
        self.asked: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1/query"

    def answer(self, query: dict[str, Any]) -> dict[str, Any]:
        name, version = query["package"]["name"], query["version"]
        self.asked.append((name, version))
        return {"vulns": [vulnerability(name)]} if name == "requests" else {}


def vulnerability(name: str) -> dict[str, Any]:
    events = [{"introduced": "0"}, {"fixed": "99.1"}]
    affected = {
        "package": {"name": name, "ecosystem": "PyPI"},
        "ranges": [{"type": "ECOSYSTEM", "events": events}],
    }
    return {"id": ID, "summary": "Leaks a password", "affected": [affected]}


class _Handler(BaseHTTPRequestHandler):
    server: Database

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = b"{}" if self.server.refuses else json.dumps(self.server.answer(query)).encode()
        self.send_response(503 if self.server.refuses else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        pass


@pytest.fixture(scope="module", autouse=True)
def _pip_audit() -> None:
    ensure_virtualenv("audit")


@pytest.fixture(params=[False])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    with Database(refuses=request.param) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Requirement files with two packages, one of them in two versions."""
    for name in pins.FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("-r other.txt\nclick==8.5.1  # a comment\n")
    (tmp_path / "lambdas/requirements.txt").write_text("Requests[socks]==2.34.2\n")
    (tmp_path / "node/requirements.txt").write_text("requests==2.0.0\n")
    monkeypatch.setattr(audit, "ROOT", tmp_path)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str], list[str]]:
    """Exit status, lines of the output, and lines of the errors."""
    status = audit.main(arguments)
    output, errors = capsys.readouterr()
    return status, output.splitlines(), errors.splitlines()


def test_a_vulnerability_is_one_line_with_package_version_file_and_fix(
    repository: Path, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    status, output, errors = run(capsys, "--database", database.url)
    assert (status, errors) == (1, [])
    assert output == [
        f"requests 2.0.0 (node/requirements.txt): {ID}, fixed in 99.1: Leaks a password",
        f"requests 2.34.2 (lambdas/requirements.txt): {ID}, fixed in 99.1: Leaks a password",
        "pinned packages: 3, known vulnerabilities: 2",
    ]
    assert sorted(database.asked) == [("click", "8.5.1"), ("requests", "2.0.0"), ("requests", "2.34.2")]


def test_an_ignored_vulnerability_is_left_out(
    repository: Path, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    status, output, _ = run(capsys, "--database", database.url, "--ignore", ID)
    assert (status, output) == (0, ["pinned packages: 3, known vulnerabilities: 0"])


@pytest.mark.parametrize("database", [True], indirect=True)
def test_a_database_that_refuses_is_one_line_and_exit_status_2(
    repository: Path, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    status, output, errors = run(capsys, "--database", database.url)
    assert (status, output, len(errors)) == (2, [], 1)
    assert f"{database.url} does not answer (503 Server Error" in errors[0]


def test_a_database_that_is_unreachable_is_one_line_and_exit_status_2(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Database() as server:
        url = server.url
    status, output, errors = run(capsys, "--database", url)
    assert (status, output, len(errors)) == (2, [], 1)
    assert f"{url} does not answer ([Errno 111] Connection refused)" in errors[0]


def test_a_package_without_an_exact_version_is_one_line_and_exit_status_2(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "constraints.txt").write_text("click==8.5.1\nrich>=15\n")
    status, output, errors = run(capsys)
    assert (status, output) == (2, [])
    assert errors == ["audit-deps: constraints.txt:2: 'rich>=15' has no exact version: write NAME==VERSION"]


def test_make_audit_deps_asks_for_every_pin_of_the_repository(database: Database) -> None:
    done = make(ROOT, "-s", "audit-deps", f"ARGS=--database {database.url}")
    assert re.search(rf"^requests \S+ \(.+\): {ID}, fixed in 99\.1", done.stdout, re.MULTILINE)
    assert done.returncode == 2  # make's own status for a recipe that failed
    assert set(database.asked) == set(pins.in_files(ROOT))


def test_every_requirement_file_of_the_repository_is_audited() -> None:
    listed = ["git", "ls-files", "*requirements*.txt", "constraints.txt"]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split()) == sorted(pins.FILES)


def test_a_round_has_each_package_once() -> None:
    some = [("a", "1"), ("a", "2"), ("b", "1"), ("a", "3"), ("b", "2")]
    assert pins.rounds(some) == [[("a", "1"), ("b", "1")], [("a", "2"), ("b", "2")], [("a", "3")]]


def test_a_name_is_compared_without_case_and_separators(repository: Path) -> None:
    (repository / "constraints.txt").write_text("Foo_Bar.baz==1.0+local\n")
    assert pins.in_files(repository)["foo-bar-baz", "1.0+local"] == ["constraints.txt"]
