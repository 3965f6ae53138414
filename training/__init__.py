"""How the bundled model is made: corpus, tokenizer, training, export, card.

Run by hand (``python -m training.run``); neither the engine nor the language server imports it.
"""
