"""The installed package: the pure core, the adapters, the providers and the command."""
