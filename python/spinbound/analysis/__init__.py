"""What experiments tell apart, what models cost, and what bases keep."""
