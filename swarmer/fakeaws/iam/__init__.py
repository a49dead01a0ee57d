"""IAM: what roles may do, evaluated for every request of a session."""
