"""Tests of the local Cloud KMS; what its client sees is in tests/contracts."""
