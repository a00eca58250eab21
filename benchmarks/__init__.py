"""Speed as ratios: each row measures the least Python that does the work, and qka, side by side."""
