"""What the options of the terminal UI choose from; apart, so that its help needs nothing else."""

VIEWS = ("tree", "vaults", "orders", "fills", "log")
THEMES = ("dark", "light", "contrast", "ansi")
