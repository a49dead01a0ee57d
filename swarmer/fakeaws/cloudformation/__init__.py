"""CloudFormation: templates, stacks, change sets, and removal in the order of AWS."""
