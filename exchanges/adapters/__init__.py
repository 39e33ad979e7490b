"""One module per venue: everything that is special about it, and nothing else."""
