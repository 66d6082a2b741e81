"""Tests of the local Cloud Scheduler, file by file."""
