"""Teachers and their answers.

In: Teacher files and training images.
Out: logits for every view of every image, cached on disk.
"""
