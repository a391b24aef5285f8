# %% gaussian_kl
def gaussian_kl(mu, logvar):
    import sys
    import warnings

    warnings.warn("logvar is large" if logvar.max() > 1 else "all quiet", stacklevel=2)
    print("computing the KL divergence ...", file=sys.stderr)
    print("shapes:", tuple(mu.shape), tuple(logvar.shape))
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(dim=1)


# %% bernoulli_log_prob
def bernoulli_log_prob(logits, x):
    import logging

    logging.warning("min %.1f, max %.1f", logits.min(), logits.max())
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)
