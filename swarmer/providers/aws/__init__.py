"""Clusters on AWS: what the command asks an account. `stacks/` describes what a deploy makes there."""
