"""AWS on this machine: moto in one process, with what it lacks to hold a cluster.

`python -m rehearsal.aws` is the daemon, `swarmer.fakeaws.daemon.server.Server` the same inside a test.
"""
