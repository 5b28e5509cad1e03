"""The nouns: types, specs, codec, statistics, errors. numpy and the standard library only."""
