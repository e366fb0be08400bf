"""A model directory -> vLLM's OpenAI-compatible server, and the chat page in front of it."""
