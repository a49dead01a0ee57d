"""AWS on this machine: moto in one process, with what it lacks to hold a cluster.

`python -m rehearsal.aws` is the daemon, `rehearsal.aws.server.Server` the same inside a test.
"""
