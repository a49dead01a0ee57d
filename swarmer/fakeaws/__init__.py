"""AWS on this machine: moto in one process, with what it lacks to hold a cluster, by service.

`daemon.server.Server` serves it, inside a test too; `providers.rehearsal.daemon` is the program.
"""
