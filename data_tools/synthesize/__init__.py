"""Makes instruction data with a served model: Self-Instruct, Alpaca, Evol-Instruct, and conversations of many turns."""
