"""Motion of an avatar: clips, posing, glTF files and videos."""
