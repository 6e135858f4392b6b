"""Identity: people and their roles, how they prove who they are, sessions, tokens, limits."""
