"""Who may reach what, from where, now: resources, policies, decisions, requests and sessions."""
