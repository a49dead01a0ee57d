"""What is done with a running cluster, whoever provides its machines."""
