"""AWS on this machine: moto, and instances as node containers."""
