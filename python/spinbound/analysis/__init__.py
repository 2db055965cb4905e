"""Analyses of experiments, models and bases: identifiability, model errors, and the information that a basis keeps."""
