"""Pure judgement of access: policies in Cedar, signals, reasons. No I/O, no clock."""
