"""The demonstration: a sandbox of its own, and the story of Thomas played on it by real protocols, one file a scene."""
