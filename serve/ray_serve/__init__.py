"""Several engines behind one address: vLLM on Ray Serve's LLM application, with the rules of a single engine."""
