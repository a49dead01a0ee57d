"""Clusters on AWS: the command's requests to an account. `stacks/` describes the resources of a deploy."""
