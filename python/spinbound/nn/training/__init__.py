"""The training of estimators."""
