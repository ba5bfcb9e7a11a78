from m5.objects import AddrRange  # noqa: F401

allEnums = {"OpClass": type("OpClass", (), {"vals": ["IntAlu"]})}
