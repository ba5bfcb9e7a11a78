"""Tasks: the YAML files beside this one."""
