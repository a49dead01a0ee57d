"""TODO swarmer/providers/rehearsal"""
