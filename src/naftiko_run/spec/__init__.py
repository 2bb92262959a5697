"""The language: frozen records with one meaning for every version and dialect. No I/O here."""
