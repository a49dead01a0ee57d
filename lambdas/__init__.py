"""The functions that look after a cluster: one folder each, `handler.py` and what its environment holds.

A handler gathers, asks the pure core (swarmer/core/healing) and takes the step it names.
"""
