"""Rewriting a document to another version of the language, text by text.

A document is never written anew: only the words that differ between two versions are replaced, so
that comments, order, quotes and line breaks stay as their author set them.
"""
