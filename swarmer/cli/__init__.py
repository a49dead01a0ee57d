"""TODO swarmer/cli"""
