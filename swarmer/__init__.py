"""What every part of Swarmer shares: the pure core, the adapters, the command."""
