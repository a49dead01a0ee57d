"""Tests of what the benchmarks are judged by."""
