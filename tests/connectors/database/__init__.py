"""Tests of the connector type database."""
