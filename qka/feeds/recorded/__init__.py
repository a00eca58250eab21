"""Recorded market data: whatever a file looks like, columns of one shape in the order of time.

Each module imports only earlier ones:

    columns     the one shape, and events out of it
    damage      what is wrong with a row, and how often
    actions     corporate actions out of a csv, and the previous closes they leave
    stream      the bytes of a file, whole or cut off
    cells       what a cell means: a symbol, a moment, a number
    rows        the rows of a csv, csv.gz or parquet, in chunks
    source      a file recognised by its columns
    order       rows held against the ones around them
    quotes      level-1 ticks in the one shape
    bars        bars in the one shape
    claims      which file holds a symbol's day
    reading     one pass over a file, every row checked
    runs        temporary files of rows sorted by time
    merge       many sorted streams into one
    playback    one pass over many files
    recording   a file or a folder, ready to be played
"""
