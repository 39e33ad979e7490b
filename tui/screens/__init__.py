"""The views and the dialogs."""
