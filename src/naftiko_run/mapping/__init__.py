"""Pure expressions over values, compiled once at start: templates, paths, shapes. No I/O here."""
