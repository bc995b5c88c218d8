"""What the tests share: processes, binaries, an event plane, and documents."""
