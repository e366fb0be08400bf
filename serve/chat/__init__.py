"""The chat page: a Gradio app that is an ordinary client of any OpenAI-compatible endpoint."""
