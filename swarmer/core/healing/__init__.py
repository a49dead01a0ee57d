"""Decisions of the functions: admitting, removing and repairing nodes. Pure, standard library only.

Each function gathers the state of AWS, Consul and Swarm into the values of `world`, and asks one `decide`. It
takes the step that `decide` names, and gathers again. No decision remembers earlier steps: a step is over
when the state shows it. A run that was broken off or is repeated therefore continues from the current state.
"""
