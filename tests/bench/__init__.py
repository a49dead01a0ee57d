"""What the benches measure with, and how they say what came of it."""
