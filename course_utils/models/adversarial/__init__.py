"""Generative adversarial networks, lectures 11 to 14: models that draw samples and have no density."""
