"""Detection: Sigma rules, what they mean, and which log lines they match."""
