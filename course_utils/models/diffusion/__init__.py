"""Diffusion, lecture 15: a hierarchical VAE whose encoder only adds noise. `schedule`, `unet`, `ddpm`."""
