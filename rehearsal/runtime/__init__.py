"""Lambda's execution environments on this machine: a container each, with the Python of their runtime."""
