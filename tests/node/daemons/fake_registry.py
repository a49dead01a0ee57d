"""A program that stands in for docker-registry: answers on a unix socket, with the headers it was given."""

from __future__ import annotations

import os
import socketserver
import sys
from http.server import BaseHTTPRequestHandler

import yaml


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    headers_given = yaml.safe_load(os.environ.get("REGISTRY_HTTP_HEADERS", "{}"))

    def do_GET(self) -> None:
        self.send_response(200)
        for name, values in self.headers_given.items():
            self.send_header(name, values[0])
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass

    def address_string(self) -> str:
        return "unix"


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


if __name__ == "__main__":
    Server(sys.argv[1], Handler).serve_forever()
