"""Notices: what people are told, by web, mail, Slack, Teams or webhook, and that it arrives."""
