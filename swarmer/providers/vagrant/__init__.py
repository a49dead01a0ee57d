"""Vagrant's machines: the plan that the Vagrantfile reads, and their status as one cluster."""
