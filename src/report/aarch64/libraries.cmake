set(machine_libraries unwind-aarch64)
