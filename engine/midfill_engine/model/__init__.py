"""The Llama-family decoder: spec, weights, cache, forward."""
