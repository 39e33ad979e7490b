"""Tests of the package `actors.sleeves.strategies`."""
