"""The part that runs on a board: sent over SSH as source text and run by its Python; standard library only.

In: a request (JSON) on the command line, file contents on standard input.
Out: replies, a line of JSON each, on standard output; files in ~/.local/share/digits.
"""
