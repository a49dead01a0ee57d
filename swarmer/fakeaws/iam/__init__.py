"""IAM: the permissions of roles, evaluated for every request of a session."""
