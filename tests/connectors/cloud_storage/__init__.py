"""Tests of the connector type `cloud_storage`."""
