"""The server: sockets, routes, background work, and all extensions of moto."""
