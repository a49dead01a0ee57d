"""TODO swarmer/providers/vagrant"""
