"""Knowledge distillation: teachers and their logits.

In: Teacher files and training images.
Out: Logits for every view of every image, cached on disk.
"""
