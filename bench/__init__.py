"""Measures Andock against what else one could run: `python -m bench`. One module measures one thing."""
