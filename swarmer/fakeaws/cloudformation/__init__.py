"""TODO swarmer/fakeaws/cloudformation"""
