"""Function deregister_node: handles termination hooks, and removes nodes."""
