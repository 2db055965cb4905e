"""Inputs, outputs and options that several commands share."""
