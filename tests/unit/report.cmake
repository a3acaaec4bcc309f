# Pure parts of the crash analysis.
# The bytes of instructions are the machine's own.
set(decode_tests ${CMAKE_CURRENT_LIST_DIR}/${ZX_ARCH}/report_decode_test.cc)
if(ZX_ARCH STREQUAL x86_64)
  list(APPEND decode_tests ${CMAKE_CURRENT_LIST_DIR}/x86_64/report_explain_test.cc)
endif()
zx_test(report_analysis_test LABEL unit
  SOURCES
    ${CMAKE_CURRENT_LIST_DIR}/report_abort_reason_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/report_address_test.cc
    ${decode_tests}
    ${CMAKE_CURRENT_LIST_DIR}/report_maps_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/report_proc_texts_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/report_source_path_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/report_symbols_test.cc
  LIBS zx_report)
