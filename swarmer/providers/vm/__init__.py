"""TODO swarmer/providers/vm"""
