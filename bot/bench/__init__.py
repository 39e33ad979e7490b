"""The benchmarks of `bot bench`, one module each."""
