"""Pure decisions and values: without clock, randomness, environment, network, and without third-party imports
on a node."""
