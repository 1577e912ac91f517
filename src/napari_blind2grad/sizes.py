"""When an image is too large to be held in memory as a whole."""

#: Images of up to so many values are held, and trained on, as a whole; larger ones go tile by tile. It is a
#: number of the method and not of the computer: the result must not depend on how much memory there is.
WHOLE = 32 * 2**20
