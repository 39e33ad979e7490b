"""The one path to an order: orders, line, reconciliation."""
