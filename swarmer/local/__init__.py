"""TODO swarmer/local"""
