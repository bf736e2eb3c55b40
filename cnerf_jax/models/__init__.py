"""The networks: the generator and its parts, both discriminators, the encoder of VAE pretraining."""
