"""TODO swarmer/providers"""
