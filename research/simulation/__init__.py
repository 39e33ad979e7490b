"""Deterministic simulation of the whole bot: `bot sim`. Everything follows from one seed."""
