# Pure parts of the crash analysis.
zx_test(report_analysis_test LABEL unit
  SOURCES
    ${CMAKE_CURRENT_LIST_DIR}/report_abort_reason_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/report_address_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/report_decode_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/report_explain_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/report_maps_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/report_proc_texts_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/report_source_path_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/report_symbols_test.cc
  LIBS zx_report)
