"""Function: the registry's backstop."""
