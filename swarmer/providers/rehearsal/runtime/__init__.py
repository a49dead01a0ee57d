"""Containers in which the rehearsal's Lambda functions run."""
