"""Measurements: accuracy on real cells, coverage of intervals, speed and memory."""
