# A program that crashes with a stack, threads and memory that the tests of core files know.
zx_target_program(target_core SOURCES ${CMAKE_CURRENT_LIST_DIR}/target_core.c FLAGS -O0 -fno-omit-frame-pointer)
