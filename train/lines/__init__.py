"""A network for whole lines of digits: invented lines, the network, and its training by connectionist temporal classification (CTC).

In: The MNIST digits of a split.
Out: A Keras model from uint8 [N, 32, W] line images to logits [N, W / 2, 11], the last of which is the blank.
"""
