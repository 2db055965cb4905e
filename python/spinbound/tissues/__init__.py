"""Tissues, the priors they are drawn from, and objects made of them."""
