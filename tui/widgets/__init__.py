"""Widgets that repaint only the lines that changed."""
