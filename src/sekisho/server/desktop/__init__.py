"""Desktops in the browser: RDP by RDCleanPath and VNC, relayed and filtered (docs/adr/0017)."""
