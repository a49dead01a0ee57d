"""Rehearsal: `cdk deploy` against the simulated AWS, with node containers as instances."""
