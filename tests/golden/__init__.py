"""Journals of each release, folded for ever; `python -m tests.golden.make` adds one."""
