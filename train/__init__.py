"""Packed windows and a base model in, a plain Hugging Face model directory out."""
