"""Policies: small parts, the systems composed of them, and the bundles they travel in. Tensors live only here."""
