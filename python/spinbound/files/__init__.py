"""Files of any content: nothing in them is believed, and what is written is whole or absent."""
