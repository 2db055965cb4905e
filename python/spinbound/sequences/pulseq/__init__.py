"""The parts of the Pulseq format."""
