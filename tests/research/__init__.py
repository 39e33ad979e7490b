"""Tests of the package `research`."""
