"""How what was measured is shown: tables of a page, and figures."""
