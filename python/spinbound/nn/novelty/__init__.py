"""Novelty: a measure of how unlike all training data the data of a voxel are."""
