"""The actor runtime; knows nothing of trading."""
