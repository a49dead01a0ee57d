"""TODO swarmer/fakeaws/iam"""
