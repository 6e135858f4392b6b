"""What is told when, how it is worded, and what a failure means: pure judgement."""
