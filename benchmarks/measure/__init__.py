"""What is measured: calls over voxels, pulses and threads, fits, and the peers on the same work."""
