"""Where did the camera stand? Read from a label map alone, by a small network that has seen label maps of synthetic people (`people`).

Photographs come without cameras, and no loss on photographs alone tells a head from its hollow mould. Eyes, nose, ears and hairline do:
`reading` gives azimuth, elevation and roll of a label map and how sure it is of them; `python -m data_pipeline.label_viewpoints train` made
the parameters that are shipped beside it.
"""
