"""A stand-in for a manager's Docker API: what the functions use of Swarm, with Swarm's refusals."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

SWARM_ID = "swarm0000000000000000000"
API = "1.45"


@dataclass
class SwarmApi:
    """Its state is plain: tests change it, requests too."""

    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    tasks: list[dict[str, Any]] = field(default_factory=list)
    id: str = SWARM_ID
    has_quorum: bool = True
    out_of_raft: set[str] = field(default_factory=set)
    """Names of managers that `--force-new-cluster` left a row and nothing else."""
    calls: list[str] = field(default_factory=list)
    """Everything that changed something."""
    before_answer: Callable[[], None] = lambda: None
    """Callback that runs before a manager's answer."""
    port: int = 0

    def add(self, name: str, *, manager: bool) -> str:
        node_id = f"node-{name}"
        self.nodes[node_id] = {
            "ID": node_id,
            "Version": {"Index": 1},
            "Spec": {"Role": "manager" if manager else "worker", "Availability": "active", "Labels": {}},
            "Description": {"Hostname": name},
            "Status": {"State": "ready", "Addr": "10.0.0.1"},
            **({"ManagerStatus": {"Reachability": "reachable"}} if manager else {}),
        }
        return node_id

    def row(self, name: str) -> dict[str, Any]:
        return self.nodes[f"node-{name}"]

    def die(self, name: str) -> None:
        self.row(name)["Status"]["State"] = "down"
        if manager := self.row(name).get("ManagerStatus"):
            manager["Reachability"] = "unreachable"

    def names(self) -> set[str]:
        return {node["Description"]["Hostname"] for node in self.nodes.values()}

    # -- requests -------------------------------------------------------------------------------

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        if path == "/version":
            return 200, {"ApiVersion": API, "MinAPIVersion": "1.24", "Version": "26.1"}
        if path == "/swarm":
            self.before_answer()
        if not self.has_quorum:
            return 503, {"message": "The swarm does not have a leader."}
        filters = json.loads(query.get("filters", ["{}"])[0])
        if path == "/swarm":
            return 200, {"ID": self.id}
        if path == "/nodes":
            return 200, [node for node in self.nodes.values() if self.matches(node, filters)]
        if path == "/tasks":
            return 200, [task for task in self.tasks if self.is_wanted(task, filters)]
        if found := re.fullmatch(r"/nodes/([^/]+)(/update)?", path):
            return self.of_node(method, found[1], query, body)
        return 404, {"message": f"page not found: {path}"}

    def of_node(self, method: str, node_id: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        node = self.nodes.get(node_id)
        if node is None:
            return 404, {"message": f"node {node_id} not found"}
        if method == "GET":
            return 200, node
        is_row_only = node["Description"].get("Hostname") in self.out_of_raft
        if method == "DELETE":
            if node["Spec"]["Role"] == "manager" and not is_row_only:
                return 400, {"message": "is a cluster manager and is a member of the raft cluster"}
            self.calls.append(f"remove {node['Description']['Hostname']}")
            del self.nodes[node_id]
            return 200, {}
        if is_row_only and body["Role"] == "worker":
            return 404, {"message": "rpc error: code = NotFound desc = can't find manager in raft memberlist"}
        if query["version"] != [str(node["Version"]["Index"])]:
            return 500, {"message": "update out of sequence"}
        self.calls.append(f"{body['Role']} {body['Availability']} {node['Description']['Hostname']}")
        node["Spec"] = body
        node["Version"]["Index"] += 1
        if body["Role"] == "worker":
            node.pop("ManagerStatus", None)
        return 200, {}

    @staticmethod
    def matches(node: dict[str, Any], filters: dict[str, list[str]]) -> bool:
        name, role = node["Description"].get("Hostname", ""), node["Spec"]["Role"]
        if "name" in filters and not any(name.startswith(each) for each in filters["name"]):
            return False
        return role in filters.get("role", [role])

    @staticmethod
    def is_wanted(task: dict[str, Any], filters: dict[str, list[str]]) -> bool:
        keys = {"node": "NodeID", "service": "ServiceID", "desired-state": "DesiredState"}
        return all(task.get(keys[name]) in values for name, values in filters.items())


@contextmanager
def serving(api: SwarmApi) -> Iterator[SwarmApi]:
    """Serve on loopback, until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            url = urlsplit(self.path)
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            path = re.sub(r"^/v[0-9.]+", "", url.path)
            status, answer = api.answer(self.command, path, parse_qs(url.query), body)
            text = json.dumps(answer).encode()
            self.send_response(HTTPStatus(status))
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_DELETE = handle_any  # noqa: N815 - what http.server looks for

        def log_message(self, *_: object) -> None:
            """Nothing to say."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # who asked went away
    api.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
