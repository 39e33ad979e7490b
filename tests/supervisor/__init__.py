"""Tests of the package `supervisor`."""
