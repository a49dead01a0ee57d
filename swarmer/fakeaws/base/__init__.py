"""Modules that every service shares: clock, journal, injected faults, errors, template resources."""
