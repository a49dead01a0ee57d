"""TODO swarmer/fakeaws/daemon"""
