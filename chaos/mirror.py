"""Package mirror that fails for a while: a flat apt repository with one package, over HTTP.

Its package `awscli` replaces Debian's, because that one has 300 MB. It has only `aws s3 cp`, by boto3.
"""

from __future__ import annotations

import hashlib
import subprocess
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

PACKAGE: Final = "awscli"
VERSION: Final = "2.0-rehearsed"
CONTROL: Final = f"""Package: {PACKAGE}
Version: {VERSION}
Architecture: all
Maintainer: rehearsal <nobody@localhost>
Description: aws s3 cp, by boto3
"""
BOTO3: Final = "/usr/lib/rehearsed-boto3"
"""Folder with boto3 in the image."""
AWS: Final = f"""#!/usr/bin/python3
# aws s3 cp --only-show-errors --region REGION s3://BUCKET/KEY FILE
import os, sys
sys.path.insert(0, "{BOTO3}")
os.environ["AWS_ENDPOINT_URL"] = os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "@URL@"
import boto3
*_, region, source, target = sys.argv
bucket, _, key = source.removeprefix("s3://").partition("/")
try:
    boto3.client("s3", region_name=region).download_file(bucket, key, target)
except Exception as error:
    sys.exit(f"aws: {{error}}")
"""


def build(folder: Path, aws_url: str) -> None:
    """Write the repository: the package, `Packages` and `Release`. `aws_url`: URL of the simulated AWS."""
    tree = folder / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(CONTROL)
    program = tree / "usr/bin/aws"
    program.parent.mkdir(parents=True)
    program.write_text(AWS.replace("@URL@", aws_url))
    program.chmod(0o755)
    served = folder / "served"
    served.mkdir()
    package = served / f"{PACKAGE}.deb"
    command = ["dpkg-deb", "--root-owner-group", "--build", str(tree), str(package)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    held = package.read_bytes()
    fields = f"Filename: ./{package.name}\nSize: {len(held)}\nSHA256: {hashlib.sha256(held).hexdigest()}\n"
    packages = f"{CONTROL}{fields}".encode()
    (served / "Packages").write_bytes(packages)
    release = f"SHA256:\n {hashlib.sha256(packages).hexdigest()} {len(packages)} Packages\n"
    (served / "Release").write_text(release)


@dataclass
class Mirror:
    """HTTP server of the repository. It answers 503 for `fails_s` seconds from the first request."""

    served: Path
    address: str
    fails_s: float
    refused: int = 0
    """Number of requests that failed."""
    answered: int = 0
    _began_s: float | None = None
    _server: ThreadingHTTPServer | None = None
    _guard: Any = field(default_factory=threading.Lock)

    def start(self) -> str:
        """Start the server, and return the URL."""
        self._server = ThreadingHTTPServer((self.address, 0), partial(_Handler, self))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://{self.address}:{self._server.server_port}"

    def stop(self) -> None:
        """Stop the server."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def admits(self) -> bool:
        """Count a request; return whether it is answered now."""
        with self._guard:
            now_s = time.monotonic()
            self._began_s = now_s if self._began_s is None else self._began_s
            is_well = now_s - self._began_s >= self.fails_s
            self.answered += is_well
            self.refused += not is_well
            return is_well


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, mirror: Mirror, *args: Any, **named: Any) -> None:
        self._mirror = mirror
        super().__init__(*args, directory=str(mirror.served), **named)

    def do_GET(self) -> None:
        if self._mirror.admits():
            super().do_GET()
        else:
            self.send_error(503)

    def log_message(self, *_: Any) -> None:
        pass
