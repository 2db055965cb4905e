"""Dictionaries of signals, in memory and on disk."""
