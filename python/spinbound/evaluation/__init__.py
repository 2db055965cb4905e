"""Report cards of estimators."""
