"""Server of extended moto at one or more addresses, in threads of this process."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from swarmer.fakeaws.daemon import extensions
from swarmer.fakeaws.daemon.background import Background
from swarmer.fakeaws.daemon.sockets import Address, bind


class Server:
    """Context manager that serves from enter to exit. All servers of a process share one AWS.

    with Server(["127.0.0.1:0"]) as server:
        boto3.client("ec2", endpoint_url=server.url, …)
    """

    def __init__(
        self, listen: Sequence[str | Address] = ("127.0.0.1:0",), *, background: bool = True
    ) -> None:
        """Bind the addresses; port 0 means a free port. Raises ListenError.

        Without `background` no background work runs: a test calls `background.tick()`.
        """
        wanted = [address if isinstance(address, Address) else Address.parse(address) for address in listen]
        with contextlib.ExitStack() as undo:
            self._sockets: list[socket.socket] = []
            for address in wanted:
                self._sockets.append(undo.enter_context(contextlib.closing(bind(address))))
            undo.pop_all()
        self.addresses = [Address(*bound.getsockname()[:2]) for bound in self._sockets]
        self._servers: list[Any] = []
        self._threads: list[threading.Thread] = []
        self._background = Background() if background else None

    @property
    def url(self) -> str:
        """Endpoint of the first address. The CDK requires the name localhost for loopback."""
        first = self.addresses[0]
        return f"http://{'localhost' if first.host == '127.0.0.1' else first.host}:{first.port}"

    def start(self) -> None:
        """Import moto and serve. Returns when the server answers requests."""
        extensions.apply()
        application = _application()
        for bound in self._sockets:
            server = _make_server(bound, application)
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            self._servers.append(server)
            self._threads.append(thread)
        if self._background:
            self._background.start()

    def stop(self) -> None:
        """Stop the background, the requests and the sockets."""
        if self._background:
            self._background.stop()
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()
        for bound in self._sockets:
            bound.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _application() -> Any:
    # routes imports moto, and extensions.apply() must import it first.
    from swarmer.fakeaws.daemon.routes import Application

    return Application()


def _make_server(bound: socket.socket, application: Any) -> Any:
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import make_server

    class Quiet(MotoRequestHandler):  # type: ignore[misc]
        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Write no access log."""

    host, port = bound.getsockname()[:2]
    server: Any = make_server(
        host, port, application, threaded=True, request_handler=Quiet, fd=bound.fileno()
    )
    server.daemon_threads = True
    return server
