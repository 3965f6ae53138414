"""Text and token ids: tokenizer, infill prompts, incremental detokenization, stops."""
