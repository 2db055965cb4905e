"""Non-linear least-squares fits."""
