"""Where pictures come from: files, folders, patterns, standard input, a folder that is watched, a camera."""
