"""Backup while running and restore on an empty machine: one encrypted file for every database."""
