"""Figures as their readers see them."""

from io import BytesIO


def drawn(figure):
    """The figure after it was drawn: what is wrong with labels or limits shows only then, as a warning."""
    image = BytesIO()
    figure.savefig(image, format="png", dpi=50)
    assert image.getvalue().startswith(b"\x89PNG")
    return figure


def legend_of(figure):
    """The words of the only legend of a figure."""
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]
