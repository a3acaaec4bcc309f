set(machine_libraries unwind-x86_64 Zydis)
