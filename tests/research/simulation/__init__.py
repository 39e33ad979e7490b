"""Tests of the package `research.simulation`."""
