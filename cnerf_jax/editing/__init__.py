"""Edits of portraits: styles addressed by semantic class and by shape or texture (docs/editing.md)."""
