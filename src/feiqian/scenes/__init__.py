"""Scenes: what people do with money in town, one package for each. A scene rests on the kernel and
on nothing of another scene, so that a bank may take the shop and leave the rest."""
