"""The file of the shipped parameters, without what it takes to use them."""

import pathlib

SHIPPED = pathlib.Path(__file__).parent / 'parameters.npz'
