"""What the functions share: the environment's reader, telemetry, the message loop, the view of a cluster."""
