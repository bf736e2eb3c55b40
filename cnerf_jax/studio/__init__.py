"""The studio: a page on which a person plays with the people of a model."""
