zx_script_test(lint.layers LABEL unit
  COMMAND ${ZX_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/check_layers.py ${CMAKE_SOURCE_DIR})
zx_script_test(lint.layers_check_finds_what_it_looks_for LABEL unit
  COMMAND ${ZX_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/check_layers_test.py)
# The whole list of tests is there in presets that build all folders only.
if("live" IN_LIST ZX_TEST_FOLDERS AND NOT ZX_SANITIZE)
  zx_script_test(lint.evidence LABEL unit
    COMMAND ${ZX_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/check_evidence.py ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
endif()
zx_script_test(lint.evidence_check_finds_what_it_looks_for LABEL unit
  COMMAND ${ZX_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/check_evidence_test.py)
