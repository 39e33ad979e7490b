"""Tests of the package `venue`."""
