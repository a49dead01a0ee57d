"""EventBridge: the default bus, rules and schedules."""
