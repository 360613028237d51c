"""Tests of single parts, without a server process."""
