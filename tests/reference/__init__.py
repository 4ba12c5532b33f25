"""Published and exactly derivable values, each with where it stands."""
