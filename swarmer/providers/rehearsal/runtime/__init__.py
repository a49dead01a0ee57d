"""TODO swarmer/providers/rehearsal/runtime"""
