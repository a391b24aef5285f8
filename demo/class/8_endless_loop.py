# %% beta_schedule
def beta_schedule(step, warmup_steps, beta_max=1.0):
    beta = 0.0
    while step > 0:  # step never changes
        beta = min(beta + beta_max / warmup_steps, beta_max)
    return beta
