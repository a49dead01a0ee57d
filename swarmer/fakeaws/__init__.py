"""TODO swarmer/fakeaws"""
