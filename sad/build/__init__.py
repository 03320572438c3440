"""From raw dumps or thread folders to dialogues."""
