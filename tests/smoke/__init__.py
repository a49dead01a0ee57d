"""Smoke test: the smallest cluster that is highly available, deployed, used, healed and destroyed.

`make smoke-aws` runs it in an AWS account, `make test-smoke` in the rehearsal of this machine.
"""
