"""What the functions decide: who is let in, how one leaves, what is mended. Pure, standard library only.

Each function gathers what AWS, Consul and Swarm say into the values of `world`, asks one `decide` and takes
the step that it names; then it looks anew. Nothing here remembers what was done: a step is over when the
world shows it, so a run that was broken off half-way, or is repeated, goes on where things stand.
"""
