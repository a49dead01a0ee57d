"""The server: its sockets and routes, work in the background, and all extensions of moto."""
