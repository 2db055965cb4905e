"""Arguments, errors, parameters and text: what everything else stands on."""
