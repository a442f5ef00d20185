"""Tools for those who have the checkout; nothing here is installed."""
