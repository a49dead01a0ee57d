"""Function: launch hooks: lets nodes in or gives them up."""
