"""Slices of a vault's money, each traded in one style."""
