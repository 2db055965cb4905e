"""Signals, sensitivities, Fisher matrices and bounds of a sequence in a tissue."""
