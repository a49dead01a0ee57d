"""Tests of what the faults are judged by."""
