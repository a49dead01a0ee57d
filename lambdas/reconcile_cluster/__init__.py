"""Function: the sweep: what nobody announced."""
