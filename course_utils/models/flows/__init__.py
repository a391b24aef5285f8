"""Normalising flows, lecture 8: invertible networks with a tractable Jacobian, one paper a file.

    log p(x) = log N(z; 0, I) + log |det dz/dx|,    z = forward(x)

`flow` (chains of invertible layers, and the density they make), `nice`, `realnvp`, `glow`, `ffjord` (continuous in
time), `dequantization` (from densities to probabilities of pixel levels).
"""
