"""The trading tree and its assembly."""
