"""Pictures and films that a trained model gives, from the command line: `python -m cnerf_jax.draw --help`.

`command_line` says what can be asked, `checks` refuses what can't be; `verbs` has a list of views for every verb (`shots`) and puts them
together (`sheets`, `film`); `renderer` draws one view at a time with bounded memory; `sidecar` is the JSON beside a picture that repeats it.
`edit_sheet` and `inversion_sheet` need the model itself; `editing_verbs` and `export_verb` are their pages, `exporting` writes no picture.
"""
