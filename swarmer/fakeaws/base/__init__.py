"""TODO swarmer/fakeaws/base"""
