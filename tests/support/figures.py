"""Figures as their readers see them."""

from io import BytesIO


def rendered(figure):
    """The image of a figure, which is drawn at last: what is wrong with labels or limits shows only then."""
    image = BytesIO()
    figure.savefig(image, format="png", dpi=50)
    return image.getvalue()
