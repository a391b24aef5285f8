"""Densities, lectures 2 and 3: how much probability a model gives to each value of x, one idea a file.

`histogram`, `kde` (kernel density estimate), `gaussian`, `mixture` (Gaussian mixture by EM), `bayes` (a density for
each class, and Bayes' rule between them). They learn by `fit(x)`, without gradients, and all have `log_prob`
and `sample`.
"""
