"""The terminal UI: its own process, a client of the control socket."""
