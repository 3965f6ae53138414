"""What became of suggestions, counted by day and language in a file on this machine.

    tally     the counts of one day and language, and latencies in classes; pure
    survival  what is left of accepted text after a while; pure
    item      a suggestion as an editor has it; pure
    tracker   which suggestion was shown, accepted, kept: from an editor's events to tallies
    store     the file: several processes add to it, and it stays small

Never text, never a path, never a name: numbers by day and language id. No module here knows a
network, and none is told of one: nothing leaves the machine. `midfill stats` prints them.
"""
