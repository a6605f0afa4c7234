"""Compatibility with files from before 0.1.0."""
