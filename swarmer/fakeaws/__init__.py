"""A simulated AWS: moto in one process, extended by service so that it can run a cluster.

`daemon.server.Server` serves it, also inside a test. `providers.rehearsal.daemon` is the program.
"""
