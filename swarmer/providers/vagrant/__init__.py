"""Vagrant's machines: the plan for the Vagrantfile, and their status as one cluster."""
