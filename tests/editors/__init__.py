"""Real editors with the real language server: Neovim with the plugin and without, Emacs."""
