"""Functions that look after a cluster: one folder each, with `handler.py` and the function's environment.

A handler observes the cluster's state, asks the pure core (swarmer/core/healing) and takes the returned step.
"""
