"""How Sekisho looks: base templates, style, scripts, fonts, and charts as pure SVG makers."""
