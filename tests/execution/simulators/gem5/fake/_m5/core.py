gem5Version = "99.0"
