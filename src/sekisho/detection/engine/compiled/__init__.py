"""The matcher for bulk and live use: rules cut to kinds of events, each value judged once."""
