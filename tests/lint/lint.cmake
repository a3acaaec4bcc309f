zx_script_test(lint.layers LABEL unit
  COMMAND ${ZX_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/check_layers.py ${CMAKE_SOURCE_DIR})
zx_script_test(lint.layers_check_finds_what_it_looks_for LABEL unit
  COMMAND ${ZX_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/check_layers_test.py)
