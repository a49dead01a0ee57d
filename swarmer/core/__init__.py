"""Pure: no clock, no randomness, no environment, no network, no third-party import on a node."""
