"""Tests of the package `exchanges`."""
