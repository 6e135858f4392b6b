"""SCIM 2.0 over HTTP (RFC 7644): a directory keeps people and groups here.

The bearer token needs the scope ``identity.scim``. Whoever becomes inactive, or is deleted, leaves:
everything of theirs ends, over all rooms, in the same transaction. Like all administration this is
served on the admin listener only.
"""
