"""A package, so that no other of the name `tests` that is installed can take the place of `tests.support`."""
