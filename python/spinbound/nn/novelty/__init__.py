"""Novelty: how unlike anything in training the data of a voxel are."""
