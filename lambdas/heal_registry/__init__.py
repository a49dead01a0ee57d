"""Function heal_registry: the registry's backstop."""
