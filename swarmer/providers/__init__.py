"""Providers of a cluster's machines. Providers are independent; the command chooses one."""
