"""A folder of YAML files held against the present state: read, planned, rehearsed, done.

It joins rooms (identity, controls, notices, access) and goes through their services only, so that
rights, checks and evidence are those of the pages.
"""
