"""Adapters: found, read in any tool's format, checked, put on the transformer, written for another tool."""
