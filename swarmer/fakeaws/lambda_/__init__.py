"""Lambda: functions, their logs, and the context of their execution."""
