"""Matching of data to the atoms of a dictionary."""
