"""TODO swarmer/fakeaws/lambda_"""
