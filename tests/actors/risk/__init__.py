"""Tests of the package `actors`."""
