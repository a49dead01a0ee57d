"""TODO swarmer/fakeaws/eventbridge"""
