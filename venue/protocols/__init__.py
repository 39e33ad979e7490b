"""What real venues speak, one protocol per venue."""
