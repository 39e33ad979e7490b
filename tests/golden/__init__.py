"""Journals of each release, folded by the tests for ever; `python -m tests.golden.make` adds one."""
