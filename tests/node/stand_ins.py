"""Minimal replacements of the registrator's servers, for tests without containers."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseServer, ThreadingMixIn, UnixStreamServer
from typing import Any


class UnixServer(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True


@contextmanager
def engine(
    folder: Path, *containers: Mapping[str, Any], stuck: Collection[str] = (), broken: Collection[str] = ()
) -> Iterator[str]:
    """An engine in which these run, as `docker inspect` prints them, and nothing happens; its DOCKER_HOST.

    Of those whose ids are `stuck` it never says anything, of those that are `broken` an error.
    """
    ended = threading.Event()
    rows = [{"Id": each["Id"], "Names": [each["Name"]], "State": "running"} for each in containers]
    answers: dict[str, object] = {
        "/version": {"ApiVersion": "1.41", "MinAPIVersion": "1.12"},
        "/v1.41/info": {"ID": "ENGINE"},
        "/v1.41/containers/json": rows,
        **{f"/v1.41/containers/{each['Id']}/json": each for each in containers},
    }

    class Handler(Answering):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path.endswith("/events"):
                self.send_response(200)
                self.end_headers()
                ended.wait()
            elif any(f"/{each}/" in path for each in stuck):
                ended.wait()
            elif any(f"/{each}/" in path for each in broken):
                self.answer({"message": "RWLayer is unexpectedly nil"}, 500)
            else:
                self.answer(answers.get(path), 200 if path in answers else 404)

    path = folder / "engine.sock"
    with serving(UnixServer(str(path), Handler)):
        try:
            yield f"unix://{path}"
        finally:
            ended.set()


@contextmanager
def agent() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """An agent that takes everything and has nothing; its address, and of each question path and token."""
    heard: list[tuple[str, str]] = []

    class Handler(Answering):
        def do_GET(self) -> None:
            heard.append((self.path.partition("?")[0], self.headers.get("X-Consul-Token", "")))
            self.answer({}, 200)

        def do_PUT(self) -> None:
            self.do_GET()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with serving(server):
        yield f"consul://127.0.0.1:{server.server_port}", heard


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, value: object, status: int) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@contextmanager
def serving(server: BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
