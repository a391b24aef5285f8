"""Autoregressive models: p(x) = prod_i p(x_i | x_1 ... x_{i-1}), one paper a file.

Vectors: `fvbn`, `nade`, `made`; text: `char_rnn`; images of several levels: `pixelrnn` (on `row_lstm` and
`diagonal_lstm`), `multiscale`, `pixelcnn`, `gated_pixelcnn`, `conditional_pixelcnn`, `pixelcnn_pp` (on `logistics`).
What they share: `levels` (pixels as levels, the softmax likelihood, plain sampling) and `masked` (masks, masked
convolutions). `fast_sampling` and `fast_pixelcnn_pp` draw from the convolutional ones by keeping what they have
computed.
"""
