"""This machine: its engine and packages, the node image, node containers, consoles and seeds."""
