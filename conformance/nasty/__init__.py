"""Files as people have them, and what reading each of them has to give. Start with README.md."""
