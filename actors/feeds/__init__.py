"""Ports and actors that bring market data in."""
