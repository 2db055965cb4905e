"""The Pulseq format: its text, its events, reading and writing."""
