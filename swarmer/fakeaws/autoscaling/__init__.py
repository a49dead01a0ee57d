"""TODO swarmer/fakeaws/autoscaling"""
