"""Estimators without learning, and the results of all of them."""
