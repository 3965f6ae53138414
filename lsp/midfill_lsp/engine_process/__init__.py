"""The user's one engine: found, started, shared, watched, and left to end with its last editor.

    command   which program, with which arguments, under which identity
    state     the private folder and the files that describe a running engine
    process   is a process alive; end it
    log       the engine's log file: its size, its last error
    start     find or start, under a file lock; synchronous, imports no HTTP
    lease     the stream that tells the engine that we are here, and us that it is
    shared    `SharedEngine`, the async face of all this
    endpoint  where an engine answers; `FixedEngine` for one that somebody else runs

Knows nothing of editors or completions. `midfill_lsp.cli` makes one `SharedEngine` or
`FixedEngine` and gives it to the backend. This package imports nothing by itself, so that
`start` can be had before pygls and httpx are loaded.
"""
