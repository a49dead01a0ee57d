"""Modules that the functions share: environment reader, telemetry, message loop, view of a cluster."""
