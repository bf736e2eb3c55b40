"""One file per loss; every function returns unweighted scalars."""
