"""Tests of the local Cloud Tasks."""
