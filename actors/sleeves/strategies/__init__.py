"""The shipped strategies: one step function each."""
