"""What files from before 0.1.0 refer to."""
