"""Which part of a photograph is hair, skin, an eye? Read off its pixels by a small network that has seen synthetic people alone (`people`).

Label maps are what CNeRF is trained with beside images, and face parsers are networks trained on photographs under their own licences. This
one is under no licence but ours: `parsing` gives the 19 CelebAMask-HQ labels of a photograph framed as a portrait; `python -m
data_pipeline.face_parser train` made the parameters that are shipped beside it.
"""
