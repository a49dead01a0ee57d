"""Function reconcile_cluster: the sweep, which finds what no event reported."""
