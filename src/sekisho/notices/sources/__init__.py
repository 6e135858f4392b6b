"""The outside world of notices: mail servers and webhooks."""
