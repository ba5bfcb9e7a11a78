"""What holds unless the user says otherwise; kept apart because `--help` shows it and must import nothing."""

DEFAULT_ENVIRONMENT = "skylake"  # what numbers are measured in
