"""Settings from outside, laid over each other into one `Config`. Called by `server` and `cli`.

    layer    one source of settings: a file, the command line, the handshake, the editor's section
    parse    one value, checked against its field
    settle   layers to a `Config`, with what was wrong and where each value comes from; pure
    files    where `midfill.toml` lies, and how it is read
    sources  all layers of one language server, and which files have changed
    edit     one key of the user's file changed, its comments kept
    page     the tables of docs/configuration.md

Settings are spelled in camel case in JSON (`completion.debounceMs`) and in snake case in TOML; both
are read everywhere.
"""
