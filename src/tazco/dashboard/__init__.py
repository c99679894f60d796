"""One person at a glance, for the person and for operators: reads across slices, changes nothing."""
