set(machine_libraries unwind-riscv)
