"""Measurements of the server's own parts."""
