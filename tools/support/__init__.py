"""What tools and tests share: environments, local clusters, waiting, turns."""
