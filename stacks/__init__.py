"""CDK stacks: they only wire."""
