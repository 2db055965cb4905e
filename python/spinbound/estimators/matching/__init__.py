"""Matches of a dictionary."""
