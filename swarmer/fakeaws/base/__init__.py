"""What every service shares: clock, journal, faults on purpose, errors."""
