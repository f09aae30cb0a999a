"""Tools: functions that a process offers to all that use a session."""
