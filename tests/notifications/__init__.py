"""Who is told what, and how it got there."""
