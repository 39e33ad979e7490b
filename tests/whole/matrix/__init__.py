"""The kill-point matrix: every operation, killed at every step, by every fault."""
