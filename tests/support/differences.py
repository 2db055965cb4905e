"""Derivatives by differences."""


def five_point(f, x, h):
    """f'(x) by five-point differences, whose error falls with the fourth power of the step h."""
    return (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h)
