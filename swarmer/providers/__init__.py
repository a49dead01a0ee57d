"""Providers of a cluster's machines. Each provider stands alone; the command chooses one."""
