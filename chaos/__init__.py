"""Faults on running rehearsals, judged by a probe that is no part of the product (`make faults`)."""
