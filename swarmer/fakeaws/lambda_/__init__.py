"""Lambda: functions, their logs, and the context in which one runs."""
