"""Faults on a running rehearsal, watched by a probe that is no part of the product."""
