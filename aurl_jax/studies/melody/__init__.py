"""Melodies: who has the tune, what it is made of, where it was heard before.

`roles` tells which notes are the tune's, `lines` makes one line of them; the
other modules work on such a line (`line.Line`), which has no other music.
"""
