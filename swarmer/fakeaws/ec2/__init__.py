"""TODO swarmer/fakeaws/ec2"""
