"""Files of any content: a reader believes nothing in them, and a file that is written is whole or absent."""
