"""The simulator as an operator of PyTorch."""
