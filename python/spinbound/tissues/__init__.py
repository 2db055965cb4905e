"""Tissues, the priors that they are drawn from, and simulated objects."""
