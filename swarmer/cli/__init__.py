"""The command `swarmer`: one module per group of commands."""
