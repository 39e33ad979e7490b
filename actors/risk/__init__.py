"""The one gate that every order crosses."""
