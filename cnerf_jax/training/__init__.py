"""The mathematics of a step: one file for the order of the players, one for each one's turn, one for each idea they use."""
