"""Physics checks of the installed package: constants, closed forms, and arrays by plain reference code."""
