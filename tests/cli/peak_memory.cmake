zx_target_program(target_peak SOURCES ${CMAKE_CURRENT_LIST_DIR}/../targets/target_peak.c)
# A sanitizer's shadow memory would be what is measured.
if(NOT ZX_SANITIZE)
  zx_script_test(peak_memory.of_a_supervised_program_is_small LABEL cli
    COMMAND ${CMAKE_CURRENT_LIST_DIR}/peak_memory.sh)
endif()
