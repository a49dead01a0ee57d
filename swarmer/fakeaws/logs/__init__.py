"""CloudWatch Logs: filter patterns, pages and limits of log events."""
