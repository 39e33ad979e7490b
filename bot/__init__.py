"""The command `bot`: one module per verb, and the configuration."""
