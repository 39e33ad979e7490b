"""Tests of the whole bot."""
