"""Everything that is ever encoded: messages, control frames, rows; msgspec only."""
