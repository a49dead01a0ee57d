"""TODO swarmer/operations"""
