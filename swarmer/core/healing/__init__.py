"""Decisions of the functions: admitting, removing and repairing nodes. Pure, standard library only.

Each function gathers the state of AWS, Consul and Swarm into the values of `world`, and calls one `decide`.
It takes the returned step, and gathers again. docs/adr/0003-level-triggered-functions.md has the reasons.
"""
