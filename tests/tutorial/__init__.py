"""Tests that type a page from its beginning to its end."""
