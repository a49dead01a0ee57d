"""CloudFormation: templates, stacks, change sets and removal as AWS orders them."""
