"""Where an engine keeps its images, containers and volumes; and carrying all of it to another disk without losing any."""
