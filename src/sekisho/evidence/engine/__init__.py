"""The pure judgement of evidence: the chain, the checkpoints, and the audit of both."""
