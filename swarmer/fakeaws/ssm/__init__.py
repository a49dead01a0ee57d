"""Systems Manager: parameters, Run Command with agents on the nodes, and sessions without a data channel."""
