"""Tests of the package `exchanges.adapters`."""
