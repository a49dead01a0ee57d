"""Function register_node: handles launch hooks, and admits nodes or gives them up."""
