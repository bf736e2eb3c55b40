"""What a run tells people: metrics files, progress, health warnings, sheets, curves."""
