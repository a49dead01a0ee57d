"""Function: termination hooks: sees nodes out."""
