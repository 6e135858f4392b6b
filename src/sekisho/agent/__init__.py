"""The endpoint agent: answers the server's questions about this computer and nothing else.

It speaks osquery's TLS remote protocol, offers the needed part of osquery's tables through SQLite
virtual tables, and refuses whatever the approved manifest does not name. It imports only ``wire``.
"""
