"""One module per venue protocol that the box speaks."""
