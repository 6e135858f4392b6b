"""The matcher for bulk and live use: rules cut to kinds of events, each distinct value judged once."""
