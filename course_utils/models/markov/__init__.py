"""Models that draw by a Markov chain, lecture 4: `rbm` (explicit density, approximated) and `gsn` (implicit)."""
