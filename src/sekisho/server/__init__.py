"""The processes: web, worker and what starts them; the one front door; pages that join rooms."""
