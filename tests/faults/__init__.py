"""`make faults`: what happens to a running cluster, seen by a probe that knows nothing of its software."""
